package org.eclipse.jetty.security;

import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;

/** Who asks: nobody is ever known here. */
public interface AuthenticationState extends Request.AuthenticationState {
    static AuthenticationState getAuthenticationState(Request request) {
        return null;
    }

    static AuthenticationState getUndeferredAuthenticationState(Request request) {
        return null;
    }

    static Succeeded login(String user, String password, Request request, Response response) {
        return null;
    }

    static boolean logout(Request request, Response response) {
        return true;
    }

    interface Succeeded extends AuthenticationState {
        String getAuthenticationType();

        UserIdentity getUserIdentity();

        boolean isUserInRole(String role);
    }

    interface Deferred extends AuthenticationState {}

    interface ResponseSent extends AuthenticationState {}
}

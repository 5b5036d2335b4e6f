package org.eclipse.jetty.security;

import java.security.Principal;

/** A user who has logged in: there is none. */
public interface UserIdentity {
    Principal getUserPrincipal();
}

package org.eclipse.jetty.security;

/** Roles that a servlet runs as: there are none. */
public interface IdentityService {
    RunAsToken newRunAsToken(String roleName);

    interface RunAsToken {}
}

package org.eclipse.jetty.security;

import org.eclipse.jetty.server.Handler;

/** A link of the handlers' chain that checks nothing. */
public abstract class SecurityHandler extends Handler.Wrapper {
    public IdentityService getIdentityService() {
        return null;
    }
}

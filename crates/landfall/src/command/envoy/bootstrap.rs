//! `envoy bootstrap`: the file that one Envoy starts with, and the files it names.
//!
//! With mutual TLS the proxy is enrolled here: the authority in the state directory signs, so this
//! runs where Landfall runs, and the folder is then carried to the proxy.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_api::core::quantity::duration_text;
use landfall_api::core::{Endpoint, ServiceName};
use landfall_server::bootstrap::{
    BootstrapOptions, Certificates, Folder, Hop, IDENTITY_FILE, Listen, TRUST_FILE, Xds,
    bootstrap as text_of, secret_files,
};
use landfall_server::pki::{Authority, Enrolment, Identity, Part};
use serde_json::json;

use crate::arguments::{Bootstrap, Common, HopRole, Security};
use crate::door;
use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::stop::Stop;

pub(super) fn bootstrap(common: &Common, asked: &Bootstrap, out: Out) -> Result<Exit, Stop> {
    let plan = Plan::of(asked)?;
    let text = plan.write(common, asked)?;
    match (&asked.out, out.form) {
        (None, Form::Text) => out.text(&text),
        (None, Form::Json) => out.json(&json!({ "bootstrap": text })),
        (Some(folder), Form::Json) => out.json(&json!({ "bootstrap": text, "folder": folder })),
        (Some(folder), Form::Text) => out.text(&format!(
            "Everything is in {}. On the proxy's machine: envoy -c {}",
            folder.display(),
            plan.installed.join("envoy.yaml").display()
        )),
    }
    Ok(Exit::Done)
}

/// The configuration of a proxy, and its files in the folder that was asked for.
pub(in crate::command) fn written(common: &Common, asked: &Bootstrap) -> Result<String, Stop> {
    Plan::of(asked)?.write(common, asked)
}

const ENROLMENT: &str = "enrolment";
const CERTIFICATES: &str = "certificates";

/// Files of somebody else's authority.
struct OwnFiles {
    certificate: PathBuf,
    key: PathBuf,
    roots: PathBuf,
}

/// What follows from the command line.
struct Plan {
    own: Option<OwnFiles>,
    is_enrolled: bool,
    /// Where the folder is on the proxy's machine.
    installed: PathBuf,
}

impl Plan {
    fn of(asked: &Bootstrap) -> Result<Self, Stop> {
        let own = match (&asked.certificate, &asked.key, &asked.roots) {
            (Some(certificate), Some(key), Some(roots)) => Some(OwnFiles {
                certificate: certificate.clone(),
                key: key.clone(),
                roots: roots.clone(),
            }),
            _ => None,
        };
        let has_tls = asked.role != HopRole::OneHop;
        if own.is_some() && !has_tls {
            return Err(Stop::mistake("--certificate is for --role sidecar and gateway."));
        }
        let told = has_tls && own.is_none();
        let security =
            asked.xds_security.unwrap_or(if told { Security::Mtls } else { Security::Plain });
        if told && security != Security::Mtls {
            return Err(Stop::mistake(
                "Certificates are told over mutual TLS only: leave --xds-security away, or name \
                 files with --certificate, --key and --roots.",
            ));
        }
        let has_xds = !(asked.role == HopRole::Sidecar && own.is_some());
        let is_enrolled = has_xds && security == Security::Mtls;
        let out = match &asked.out {
            Some(out) => std::path::absolute(out).map_err(|error| cannot(out, &error))?,
            None if is_enrolled || own.is_some() => {
                return Err(Stop::mistake(
                    "This proxy needs files beside its configuration: name a folder with --out.",
                ));
            }
            None => PathBuf::new(),
        };
        let installed = asked.installed.clone().unwrap_or(out);
        Ok(Self { own, is_enrolled, installed })
    }

    /// The configuration, which is also written with all that it names when a folder was given.
    fn write(&self, common: &Common, asked: &Bootstrap) -> Result<String, Stop> {
        let text = text_of(&self.options(asked)?);
        let Some(folder) = &asked.out else { return Ok(text) };
        write_secret(&folder.join("envoy.yaml"), &text, 0o644)?;
        if let Some(files) = &self.own {
            let (identity, trust) = secret_files(&files.certificate, &files.key, &files.roots);
            let certificates = folder.join(CERTIFICATES);
            write_secret(&certificates.join(IDENTITY_FILE), &identity, 0o644)?;
            write_secret(&certificates.join(TRUST_FILE), &trust, 0o644)?;
        }
        if self.is_enrolled {
            enrol(common, asked, &folder.join(ENROLMENT), &self.installed.join(ENROLMENT))?;
        }
        Ok(text)
    }

    fn options(&self, asked: &Bootstrap) -> Result<BootstrapOptions, Stop> {
        let hold_timeout = duration_text::parse(&asked.hold_timeout)
            .map_err(|why| Stop::mistake(format!("--hold-timeout: {why}.")))?;
        let listeners: Vec<(ServiceName, Listen)> =
            asked.listeners.iter().map(|text| listener(text)).collect::<Result<_, _>>()?;
        let has_xds = !(asked.role == HopRole::Sidecar && self.own.is_some());
        let xds = has_xds.then(|| endpoint("--xds", &asked.xds)).transpose()?.map(|endpoint| {
            let folder = || Folder { path: self.installed.join(ENROLMENT) };
            Xds { endpoint, enrolment: self.is_enrolled.then(folder) }
        });
        Ok(BootstrapOptions {
            node_id: asked.node.clone(),
            cluster: asked.cluster.clone(),
            xds,
            admin: asked.admin,
            hop: self.hop(asked, &listeners)?,
            listeners,
            hold_timeout,
        })
    }

    fn hop(&self, asked: &Bootstrap, listeners: &[(ServiceName, Listen)]) -> Result<Hop, Stop> {
        if asked.role != HopRole::Sidecar && !asked.gateways.is_empty() {
            return Err(Stop::mistake("--gateway is for --role sidecar."));
        }
        if asked.role != HopRole::Gateway && !asked.allowed.is_empty() {
            return Err(Stop::mistake("--allow is for --role gateway."));
        }
        if asked.role == HopRole::OneHop {
            return Ok(Hop::One);
        }
        // A service's name is a host name in the TLS hello.
        for (service, _) in listeners {
            let is_spelled =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
            if !service.as_str().chars().all(is_spelled) {
                return Err(Stop::mistake(format!(
                    "{service} cannot stand in a TLS hello: small letters, digits, -, _ and dots."
                )));
            }
        }
        let certificates = match &self.own {
            None => Certificates::Told,
            Some(_) => Certificates::Files(Folder { path: self.installed.join(CERTIFICATES) }),
        };
        let domain = &asked.trust_domain;
        if asked.role == HopRole::Gateway {
            let allowed = allowed(&asked.allowed, listeners, domain)?;
            return Ok(Hop::Gateway { allowed, certificates });
        }
        let gateways: Vec<Endpoint> = asked
            .gateways
            .iter()
            .map(|text| endpoint("--gateway", text))
            .collect::<Result<_, _>>()?;
        if gateways.is_empty() {
            return Err(Stop::mistake("A sidecar needs a gateway: name it with --gateway."));
        }
        let gateway_uri = format!("spiffe://{domain}/gateway/");
        Ok(Hop::Sidecar { gateways, gateway_uri, certificates })
    }
}

/// Who may reach each service, as the URIs of certificates.
fn allowed(
    asked: &[String],
    listeners: &[(ServiceName, Listen)],
    domain: &str,
) -> Result<Vec<(ServiceName, Vec<String>)>, Stop> {
    let client = |name: &str| {
        if name.starts_with("spiffe://") {
            return Ok(name.to_owned());
        }
        let identity = Identity::new(Part::Client, name);
        identity
            .map(|identity| identity.uri_in(domain))
            .map_err(|why| Stop::mistake(format!("{why}.")))
    };
    let mut pairs = Vec::new();
    for text in asked {
        let wrong = || Stop::mistake(format!("--allow {text} is not SERVICE=GROUP."));
        let (service, name) = text.split_once('=').ok_or_else(wrong)?;
        if !listeners.iter().any(|(listed, _)| listed.as_str() == service) {
            return Err(Stop::mistake(format!(
                "--allow {text}: there is no --listen for {service}."
            )));
        }
        pairs.push((service, client(name)?));
    }
    let mut allowed: Vec<(ServiceName, Vec<String>)> = Vec::new();
    for (service, _) in listeners {
        let mut uris: Vec<String> = pairs
            .iter()
            .filter(|(named, _)| *named == service.as_str())
            .map(|(_, uri)| uri.clone())
            .collect();
        if uris.is_empty() {
            uris.push(client(service.as_str())?);
        }
        allowed.push((service.clone(), uris));
    }
    Ok(allowed)
}

/// Signs the proxy's right to ask, and writes it with the root.
fn enrol(common: &Common, asked: &Bootstrap, folder: &Path, installed: &Path) -> Result<(), Stop> {
    let now = Timestamp::now();
    let failed = |failure: landfall_api::core::Failure| {
        Stop::Failed(Exit::Refused, format!("Could not {failure}."))
    };
    let authority = Authority::open(&door::state(common)?, now).map_err(failed)?;
    let part = match asked.role {
        // Alone beside an application, a proxy must not pass for a gateway.
        HopRole::OneHop | HopRole::Sidecar => Part::Client,
        HopRole::Gateway => Part::Gateway,
    };
    let named = |why: String| Stop::mistake(format!("{why}."));
    let identity = Identity::new(part, &asked.cluster).map_err(named)?;
    let enrolment = Enrolment::new(identity, &asked.node).map_err(named)?;
    let issued = authority.enrol(&enrolment, now).map_err(failed)?;
    let [certificate, key, roots] =
        ["certificate.pem", "key.pem", "root.pem"].map(|name| installed.join(name));
    let (identity, trust) = secret_files(&certificate, &key, &roots);
    write_secret(&folder.join("certificate.pem"), &issued.certificate, 0o644)?;
    write_secret(&folder.join("key.pem"), &issued.key, 0o600)?;
    write_secret(&folder.join("root.pem"), authority.root(), 0o644)?;
    write_secret(&folder.join(IDENTITY_FILE), &identity, 0o644)?;
    write_secret(&folder.join(TRUST_FILE), &trust, 0o644)
}

/// Replaces a file in one rename, which is also what Envoy watches for.
fn write_secret(path: &Path, text: &str, mode: u32) -> Result<(), Stop> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let failed = |error: std::io::Error| cannot(path, &error);
    DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(failed)?;
    let draft = path.with_extension("draft");
    // A draft that was left behind may have another mode.
    let _ = fs::remove_file(&draft);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)
}

fn cannot(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Failed(Exit::Refused, format!("Could not write {}: {error}.", path.display()))
}

fn endpoint(option: &str, text: &str) -> Result<Endpoint, Stop> {
    text.parse().map_err(|why| Stop::mistake(format!("{option}: {why}.")))
}

fn listener(text: &str) -> Result<(ServiceName, Listen), Stop> {
    let wrong = || {
        Stop::mistake(format!(
            "--listen {text} is not SERVICE=ADDR:PORT, such as orders=127.0.0.1:6432, nor \
             SERVICE=SOCKET, such as orders=/run/orders/.s.PGSQL.5432."
        ))
    };
    let (service, listen) = text.split_once('=').ok_or_else(wrong)?;
    if service.is_empty() {
        return Err(wrong());
    }
    let listen = if listen.starts_with('/') {
        Listen::Unix(PathBuf::from(listen))
    } else {
        Listen::Tcp(listen.parse::<SocketAddr>().map_err(|_| wrong())?)
    };
    Ok((ServiceName::new(service), listen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_a_service_and_an_address_or_a_socket() {
        let (service, listen) = listener("orders=127.0.0.1:6432").unwrap();
        let address = Listen::Tcp("127.0.0.1:6432".parse().unwrap());
        assert_eq!((service.as_str(), listen), ("orders", address));
        let (_, listen) = listener("orders=/run/orders/.s.PGSQL.5432").unwrap();
        assert_eq!(listen, Listen::Unix("/run/orders/.s.PGSQL.5432".into()));
        for text in ["orders", "=127.0.0.1:6432", "orders=6432", "orders=host:6432"] {
            assert!(listener(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_service_lets_in_the_group_of_its_name_unless_told_otherwise() {
        let listeners: Vec<_> =
            ["orders=127.0.0.1:1", "users=127.0.0.1:1"].map(|text| listener(text).unwrap()).into();
        let asked = ["orders=web".to_owned(), "orders=spiffe://corp/x".to_owned()];
        let allowed = allowed(&asked, &listeners, "corp").unwrap();
        assert_eq!(allowed[0].1, ["spiffe://corp/client/web", "spiffe://corp/x"]);
        assert_eq!(allowed[1].1, ["spiffe://corp/client/users"]);
    }

    #[test]
    fn a_service_that_is_not_listened_for_cannot_be_allowed() {
        let listeners = [listener("orders=127.0.0.1:1").unwrap()];
        assert!(allowed(&["user=web".to_owned()], &listeners, "corp").is_err());
    }
}

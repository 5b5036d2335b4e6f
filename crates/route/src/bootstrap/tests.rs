//! The texts themselves, as people read them in this folder.

use super::*;

fn tcp(address: &str) -> Listen {
    Listen::Tcp(address.parse().expect("an address"))
}

fn xds(host: &str) -> Option<Xds> {
    Some(Xds { endpoint: Endpoint::new(host, 18_000), enrolment: None })
}

fn options() -> BootstrapOptions {
    BootstrapOptions {
        node_id: "orders-web-1".to_owned(),
        cluster: "orders-web".to_owned(),
        xds: xds("127.0.0.1"),
        admin: "127.0.0.1:9901".parse().expect("an address"),
        listeners: vec![
            (ServiceName::new("orders"), tcp("127.0.0.1:6432")),
            (ServiceName::new("orders-ro"), tcp("[::1]:6433")),
        ],
        hold_timeout: Duration::from_secs(900),
        hop: Hop::One,
    }
}

fn enrolled() -> Option<Xds> {
    let enrolment = Some(Folder { path: "/etc/envoy/landfall/enrolment".into() });
    Some(Xds { endpoint: Endpoint::new("landfall.internal", 18_000), enrolment })
}

fn sidecar() -> BootstrapOptions {
    BootstrapOptions {
        xds: enrolled(),
        hop: Hop::Sidecar {
            gateways: vec![Endpoint::new("gateway.internal", 7432)],
            gateway_uri: "spiffe://landfall/gateway/".to_owned(),
            certificates: Certificates::Told,
        },
        listeners: vec![
            (ServiceName::new("orders"), tcp("127.0.0.1:6432")),
            (ServiceName::new("users"), Listen::Unix("/run/users/.s.PGSQL.5432".into())),
        ],
        ..options()
    }
}

fn gateway() -> BootstrapOptions {
    let allowed = |service: &str, uri: &str| (ServiceName::new(service), vec![uri.to_owned()]);
    BootstrapOptions {
        node_id: "gateway-1".to_owned(),
        cluster: "gateways".to_owned(),
        xds: enrolled(),
        hop: Hop::Gateway {
            allowed: vec![
                allowed("orders", "spiffe://landfall/client/orders-web"),
                allowed("users", "spiffe://landfall/client/users-web"),
            ],
            certificates: Certificates::Told,
        },
        listeners: vec![
            (ServiceName::new("orders"), tcp("10.0.0.1:7432")),
            (ServiceName::new("users"), tcp("10.0.0.1:7432")),
        ],
        ..options()
    }
}

/// The files are in the repository, where people read them; written anew when this is set.
fn shown(name: &str, text: &str, shown: &str) {
    if std::env::var_os("LANDFALL_WRITE_EXAMPLES").is_some() {
        let file = format!("{}/src/bootstrap/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(file, text).expect("written");
    } else {
        assert_eq!(text, shown, "{name}");
    }
}

#[test]
fn the_text_is_what_people_were_shown() {
    shown("example", &bootstrap(&options()), include_str!("example.yaml"));
    shown("sidecar", &bootstrap(&sidecar()), include_str!("sidecar.yaml"));
    shown("gateway", &bootstrap(&gateway()), include_str!("gateway.yaml"));
}

#[test]
fn a_control_plane_with_a_name_is_resolved() {
    let named = BootstrapOptions { xds: xds("landfall.local"), ..options() };
    assert!(bootstrap(&named).contains("type: STRICT_DNS"));
}

#[test]
fn a_sidecar_with_files_needs_no_control_plane() {
    let Hop::Sidecar { gateways, gateway_uri, .. } = sidecar().hop else { panic!("a sidecar") };
    let certificates = Certificates::Files(Folder { path: "/etc/envoy/pki".into() });
    let hop = Hop::Sidecar { gateways, gateway_uri, certificates };
    let text = bootstrap(&BootstrapOptions { xds: None, hop, ..sidecar() });
    assert!(!text.contains(CONTROL_PLANE), "{text}");
    assert!(text.contains("/etc/envoy/pki/identity.yaml"), "{text}");
}

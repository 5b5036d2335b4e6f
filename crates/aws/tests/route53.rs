//! The zone port by the official SDK against the lab's Route 53, and what a resolver then sees.

#[cfg(all(test, feature = "route53"))]
mod promises {
    use std::net::SocketAddr;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use hickory_proto::op::{Message, Query};
    use hickory_proto::rr::{Name, RecordType};
    use landfall_aws::HostedZone;
    use landfall_core::FailureKind;
    use landfall_core::port::Zone as _;
    use landfall_core::port::zone::{ZoneChange, ZoneRecord, ZoneTarget};
    use landfall_lab::faults::{Fault, Order};
    use landfall_lab::supervisor::{Lab, LabConfig};
    use landfall_lab::zones::{RecordSet, Visibility};
    use tempfile::TempDir;
    use tokio::net::UdpSocket;

    const NAME: &str = "orders.db.example.org.";
    const ZONE: &str = "db.example.org.";
    const PUBLIC: &str = "ZPUBLIC0001";
    const PRIVATE: &str = "ZPRIVATE0001";
    const TTL: Duration = Duration::from_secs(5);
    const CALL_TIMEOUT: Duration = Duration::from_secs(10);
    const LOOKS_MAX: u32 = 600;

    struct Rig {
        lab: Lab,
        config: SdkConfig,
        _folder: TempDir,
    }

    impl Rig {
        /// A name in a private zone and, elsewhere, in the public one of the same name.
        async fn up() -> Self {
            let folder = tempfile::Builder::new()
                .prefix("landfall-zone-")
                .permissions(std::fs::Permissions::from_mode(0o711))
                .tempdir()
                .expect("a folder");
            let lab = Lab::up(LabConfig::new(folder.path().join("lab"))).await.expect("a lab");
            let config = aws_config::defaults(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .endpoint_url(lab.endpoint_url())
                .credentials_provider(Credentials::new("lab", "lab", None, None, "test"))
                .load()
                .await;
            let zones = lab.cloud().zones();
            let set = |value| vec![RecordSet::simple(NAME, "A", 5, value)];
            zones.host(PUBLIC, (ZONE, Visibility::Public), set("192.0.2.1"));
            zones.host(PRIVATE, (ZONE, Visibility::Private), set("10.0.0.1"));
            Self { lab, config, _folder: folder }
        }

        fn zone(&self, id: &str) -> HostedZone {
            HostedZone::new(&self.config, (id, "DB.example.org"), CALL_TIMEOUT)
        }
    }

    fn address(text: &str) -> ZoneRecord {
        ZoneRecord { target: ZoneTarget::Address(text.parse().expect("an address")), ttl: TTL }
    }

    fn change(seen: &[ZoneRecord], wanted: ZoneRecord) -> ZoneChange {
        let comment = "landfall: orders to <target>, epoch 4".to_owned();
        ZoneChange { name: NAME.to_owned(), seen: seen.to_vec(), wanted, comment }
    }

    /// As a resolver with an empty cache asks.
    async fn resolved(server: SocketAddr) -> Vec<(String, u32)> {
        let mut message = Message::query();
        let name = Name::from_ascii(NAME).expect("a name");
        message.add_query(Query::query(name, RecordType::A));
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let asked = message.to_vec().expect("a message");
        socket.send_to(&asked, server).await.expect("ask");
        let mut buffer = [0; 512];
        let heard = tokio::time::timeout(CALL_TIMEOUT, socket.recv(&mut buffer)).await;
        let length = heard.expect("an answer in time").expect("an answer");
        let answer =
            Message::from_vec(buffer.get(..length).expect("its bytes")).expect("a DNS message");
        assert!(answer.authoritative, "{answer:?}");
        let shown = |record: &hickory_proto::rr::Record| (record.data.to_string(), record.ttl);
        answer.answers.iter().map(shown).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_change_is_seen_by_resolvers_when_it_is_everywhere() {
        let rig = Rig::up().await;
        let zones = rig.lab.cloud().zones();
        zones.spreads_in(Duration::from_millis(700));
        let resolver = zones.serve(PRIVATE).await.expect("a name server");
        let zone = rig.zone(PRIVATE);
        let seen = zone.records(NAME).await.expect("records");
        assert_eq!(seen, [address("10.0.0.1")]);
        assert_eq!(resolved(resolver.address()).await, [("10.0.0.1".to_owned(), 5)]);

        let alias = ZoneTarget::Name("orders-aurora.cluster.example.org.".to_owned());
        let wanted = ZoneRecord { target: alias, ttl: Duration::from_secs(2) };
        let id = zone.replace(&change(&seen, wanted.clone())).await.expect("a change");
        assert_eq!(zone.records(NAME).await.as_deref(), Ok(&[wanted][..]), "listed at once");
        assert_eq!(zone.is_everywhere(&id).await, Ok(false));
        assert_eq!(resolved(resolver.address()).await, [("10.0.0.1".to_owned(), 5)]);
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let mut looks = 0;
        while !zone.is_everywhere(&id).await.expect("an answer") {
            looks += 1;
            assert!(looks < LOOKS_MAX, "the change does not spread");
            ticks.tick().await;
        }
        let target = "orders-aurora.cluster.example.org.".to_owned();
        assert_eq!(resolved(resolver.address()).await, [(target, 2)]);
        assert_eq!(zones.comments(), ["landfall: orders to <target>, epoch 4"]);
        let public = rig.zone(PUBLIC).records(NAME).await;
        assert_eq!(public.as_deref(), Ok(&[address("192.0.2.1")][..]), "the other zone is left");
        rig.lab.down().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_was_faster_is_not_overwritten() {
        let rig = Rig::up().await;
        let zones = rig.lab.cloud().zones();
        let zone = rig.zone(PRIVATE);
        let seen = zone.records(NAME).await.expect("records");
        zones.put(PRIVATE, RecordSet::simple(NAME, "A", 5, "10.9.9.9"));
        let failure = zone.replace(&change(&seen, address("10.0.0.2"))).await.expect_err("late");
        assert_eq!(failure.kind, FailureKind::WrongState);
        assert!(failure.detail.contains("do not match the current values"), "{failure}");
        let failure = zone.replace(&change(&[], address("10.0.0.2"))).await.expect_err("late");
        assert!(failure.detail.contains("already exists"), "{failure}");
        assert_eq!(zone.records(NAME).await.as_deref(), Ok(&[address("10.9.9.9")][..]));
        // In place of itself: nothing changes, and it is known that it may be changed.
        let same = [address("10.9.9.9")];
        zone.replace(&change(&same, address("10.9.9.9"))).await.expect("it may");
        assert_eq!(zone.records(NAME).await.as_deref(), Ok(&same[..]));
        rig.lab.down().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_cannot_be_changed_is_told() {
        let rig = Rig::up().await;
        let zones = rig.lab.cloud().zones();
        let weighted = RecordSet {
            weighted: Some(("blue".to_owned(), 10)),
            ..RecordSet::simple("weighted.db.example.org.", "A", 5, "10.0.0.1")
        };
        let alias = RecordSet {
            alias: Some("lb.example.org.".to_owned()),
            values: Vec::new(),
            ..RecordSet::simple("alias.db.example.org.", "A", 5, "")
        };
        zones.put(PRIVATE, weighted);
        zones.put(PRIVATE, alias);
        let told = async |zone: HostedZone, name: &str| {
            zone.records(name).await.expect_err("a refusal").to_string()
        };
        let words = told(rig.zone(PRIVATE), "weighted.db.example.org.").await;
        assert!(words.contains("weighted (set identifier blue)"), "{words}");
        let words = told(rig.zone(PRIVATE), "alias.db.example.org.").await;
        assert!(words.contains("an alias of lb.example.org."), "{words}");
        let other = HostedZone::new(&rig.config, (PRIVATE, "example.net"), CALL_TIMEOUT);
        let words = told(other, NAME).await;
        assert!(words.contains("db.example.org, and route.dns.zone says example.net"), "{words}");
        let words = told(rig.zone("ZNONE"), NAME).await;
        assert!(words.contains("NoSuchHostedZone"), "{words}");
        let order = Order::times(Fault::ServerError, 1).only("ListResourceRecordSets");
        rig.lab.cloud().faults().arm(order);
        assert_eq!(rig.zone(PRIVATE).records(NAME).await.expect("retried").len(), 1);
        rig.lab.down().await;
    }
}

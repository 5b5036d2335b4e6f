//! The adapter against the lab: the conformance suite of the cloud port, and lost answers.
//!
//! Every test has a lab of its own, in this process, and takes it down again.

#[cfg(test)]
mod promises {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use jiff::Timestamp;
    use landfall_aws::AwsCloud;
    use landfall_core::action::{CloudAction, NewReplicaCluster};
    use landfall_core::conformance::cloud as suite;
    use landfall_core::conformance::cloud::CloudFixture;
    use landfall_core::ids::SecurityGroupId;
    use landfall_core::port::cloud::{GroupLevel, ResourceState};
    use landfall_core::port::{Cloud, Stamp};
    use landfall_core::probe::{Probed, Verdict};
    use landfall_core::{Epoch, FailureKind, InstanceId};
    use landfall_lab::cloud::standing::{PendingName, Pretence};
    use landfall_lab::faults::{Fault, Order};
    use landfall_lab::supervisor::{Lab, LabConfig};
    use tempfile::TempDir;

    const CALL_TIMEOUT: Duration = Duration::from_secs(10);
    const PAUSE: Duration = Duration::from_millis(50);
    /// A minute, on a machine that is busy with everybody's tests.
    const LOOKS_MAX: u32 = 1_200;

    struct LabFixture {
        lab: Lab,
        cloud: AwsCloud,
        given: AtomicBool,
        folder: TempDir,
    }

    impl LabFixture {
        async fn up() -> Self {
            // The servers' user must be able to pass through.
            let folder = tempfile::Builder::new()
                .prefix("landfall-aws-")
                .permissions(std::fs::Permissions::from_mode(0o711))
                .tempdir()
                .unwrap();
            let lab = Lab::up(LabConfig::new(folder.path().join("lab"))).await.unwrap();
            let cloud = AwsCloud::new(&config(&lab).await, CALL_TIMEOUT).unwrap();
            Self { lab, cloud, given: AtomicBool::new(false), folder }
        }

        async fn down(self) {
            self.lab.down().await;
            assert!(!self.folder.path().join("lab").exists(), "the lab left its folder");
        }

        fn asked(&self, action: &str) -> usize {
            self.lab.requests().iter().filter(|request| request.action == action).count()
        }
    }

    /// What the environment would give, without touching the environment.
    async fn config(lab: &Lab) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(lab.endpoint_url())
            .credentials_provider(Credentials::new("lab-admin", "lab", None, None, "test"))
            .load()
            .await
    }

    #[async_trait]
    impl CloudFixture for LabFixture {
        fn cloud(&self) -> &dyn Cloud {
            &self.cloud
        }

        async fn fresh_source(&self) -> InstanceId {
            assert!(!self.given.swap(true, Ordering::Relaxed), "a lab here has one source");
            self.lab.source().instance.as_str().into()
        }

        fn spare_group(&self) -> SecurityGroupId {
            "sg-quarantine-target".into()
        }

        async fn put_alarm(&self, on: &InstanceId, name: &str) {
            let alarm = serde_json::json!({
                "AlarmName": name,
                "Namespace": "AWS/RDS",
                "MetricName": "CPUUtilization",
                "Dimensions": [{ "Name": "DBInstanceIdentifier", "Value": on.as_str() }],
                "Statistic": "Average",
                "Period": 60,
                "EvaluationPeriods": 3,
                "Threshold": 80.5,
                "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:pager"],
            });
            self.lab.cloud().put_alarm(&alarm).unwrap();
        }

        fn now(&self) -> Timestamp {
            Timestamp::now()
        }

        async fn pause(&self) {
            tokio::time::sleep(PAUSE).await;
        }

        fn looks_max(&self) -> u32 {
            LOOKS_MAX
        }
    }

    macro_rules! promises {
        ($($promise:ident)*) => {$(
            #[tokio::test]
            async fn $promise() {
                let fixture = LabFixture::up().await;
                suite::$promise(&fixture).await;
                fixture.down().await;
            }
        )*};
    }

    promises! {
        unknown_is_none
        a_source_is_seen_whole
        a_source_has_offers
        groups_belong_to_their_move
        parameters_are_read_back
        a_fence_is_seen
        a_reboot_is_told
        retention_is_read_back
        points_lie_in_their_window
        a_replica_is_made_once_and_undone
        a_promoted_cluster_stands_alone
        a_source_is_retired_beside_its_snapshot
        a_target_is_equipped
        a_proxy_leads_to_its_target
        a_second_region_follows
        history_sums_up
        surroundings_are_told
        a_probe_only_looks
    }

    fn stamp() -> Stamp {
        Stamp { migration: "orders".into(), epoch: Epoch(1) }
    }

    /// The effect stands, the answer is cut: the SDK asks again, AWS says the name is taken, and
    /// the tag says by whom.
    #[tokio::test]
    async fn an_order_whose_answer_is_lost_is_still_one_order() {
        let fixture = LabFixture::up().await;
        let source = fixture.cloud.instance(&fixture.fresh_source().await).await.unwrap().unwrap();
        let versions = fixture.cloud.aurora_versions(&source.engine_version).await.unwrap();
        let group = CloudAction::CreateParameterGroup {
            level: GroupLevel::Cluster,
            name: "orders-cluster-group".into(),
            family: versions[0].family.clone(),
        };
        let cluster = CloudAction::CreateReplicaCluster(NewReplicaCluster {
            cluster: "orders-aurora".into(),
            source_arn: source.arn.clone(),
            engine_version: versions[0].version.clone(),
            parameter_group: "orders-cluster-group".into(),
            security_groups: vec![fixture.spare_group()],
            subnet_group: source.subnet_group.clone(),
            encrypted: source.encrypted,
            kms_key: source.kms_key.clone(),
            backup_retention_days: 1,
            serverless: None,
        });
        for (order, action) in
            [(group, "CreateDBClusterParameterGroup"), (cluster, "CreateDBCluster")]
        {
            fixture.lab.arm(Order::times(Fault::LostAnswer, 1).only(action)).await;
            assert_eq!(fixture.cloud.act(&order, &stamp()).await, Ok(()), "{order}");
            assert!(fixture.asked(action) > 1, "{action} was not asked again");
        }
        let made = fixture.cloud.cluster(&"orders-aurora".into()).await.unwrap().unwrap();
        assert_eq!(made.replicates_from, Some(source.arn));
        fixture.down().await;
    }

    /// Throttling is the SDK's to bear, up to its limit; beyond it is reported as what it is.
    #[tokio::test]
    async fn throttling_is_borne_for_a_while_and_then_reported() {
        let fixture = LabFixture::up().await;
        let source = fixture.fresh_source().await;
        let read = "DescribeDBInstances";
        fixture.lab.arm(Order::times(Fault::Throttle, 1).only(read)).await;
        assert!(fixture.cloud.instance(&source).await.unwrap().is_some());
        fixture.lab.arm(Order::times(Fault::Throttle, 100).only(read)).await;
        let failure = fixture.cloud.instance(&source).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Throttled, "{failure}");
        fixture.down().await;
    }

    /// Asking for a reboot while one is under way does not add a second one.
    #[tokio::test]
    async fn a_reboot_under_way_is_not_repeated() {
        let fixture = LabFixture::up().await;
        let source = fixture.fresh_source().await;
        let slow = Order { argument: Some(2_000), ..Order::times(Fault::SlowReboot, 1) };
        fixture.lab.arm(slow).await;
        let reboot = CloudAction::RebootInstance { instance: source.clone() };
        for _ in 0..2 {
            assert_eq!(fixture.cloud.act(&reboot, &stamp()).await, Ok(()));
        }
        let seen = fixture.cloud.instance(&source).await.unwrap().unwrap();
        assert_eq!(seen.state, ResourceState::Busy("rebooting".to_owned()));
        fixture.down().await;
    }

    /// The doctor on a lab with a replica: the facts that the lab shares with AWS are confirmed,
    /// and a part that may not be read leaves its own undecided.
    #[tokio::test]
    async fn the_doctor_looks_at_the_lab_as_at_any_account() {
        let fixture = LabFixture::up().await;
        suite::a_reboot_is_told(&fixture).await;
        let seen = |probed: &[Probed], id: &str| {
            let found = probed.iter().find(|one| one.id == id).expect("the probe is there");
            (found.verdict, found.seen.clone())
        };
        let probed = fixture.cloud.probe().await;
        let differing: Vec<_> =
            probed.iter().filter(|one| one.verdict == Verdict::Differs).collect();
        assert!(differing.is_empty(), "{differing:#?}");
        for id in [
            "upgrade-targets",
            "families",
            "aurora-classes",
            "serverless-class",
            "absent-parameters",
            "identifiers-fold",
            "status-words",
            "group-words",
            "event-of-a-reboot",
            "log-types",
            "role-features",
        ] {
            let (verdict, words) = seen(&probed, id);
            assert_eq!(verdict, Verdict::Confirmed, "{id}: {words}");
        }
        assert_eq!(seen(&probed, "event-of-a-promotion").0, Verdict::NotLooked);

        let denied = Order::unlimited(Fault::Denied).only("DescribeEvents");
        fixture.lab.arm(denied).await;
        let probed = fixture.cloud.probe().await;
        let (verdict, words) = seen(&probed, "event-of-a-reboot");
        assert_eq!(verdict, Verdict::NotLooked);
        assert!(words.contains("AccessDenied"), "{words}");
        assert_eq!(seen(&probed, "families").0, Verdict::Confirmed);
        fixture.down().await;
    }

    /// Each detail that the assessment reads, as the lab shows it.
    #[tokio::test]
    async fn details_and_surroundings_come_through_the_sdk() {
        let fixture = LabFixture::up().await;
        let source = fixture.fresh_source().await;
        let pretend = |pretence| fixture.lab.cloud().pretend(pretence).unwrap();
        let instance = || source.to_string();
        let elsewhere = "arn:aws:rds:eu-west-1:123456789012:db:shop-replica";
        for replica in ["shop-reports", elsewhere] {
            pretend(Pretence::Replica { instance: instance(), replica: replica.to_owned() });
        }
        let (name, value) = (PendingName::EngineVersion, "99.1".to_owned());
        pretend(Pretence::Pending { instance: instance(), name, value });
        let at = "2026-12-01T00:00:00Z".parse().ok();
        let action = "db-upgrade".to_owned();
        pretend(Pretence::Maintenance { instance: instance(), action, at });
        pretend(Pretence::Quota { name: "DBClusters".to_owned(), max: 1 });

        let seen = fixture.cloud.instance(&source).await.unwrap().unwrap();
        assert_eq!(seen.replica_instances, ["shop-reports".into()]);
        assert_eq!(seen.detail.replicas_elsewhere, [elsewhere]);
        assert_eq!(seen.detail.pending, ["EngineVersion=99.1"]);
        assert_eq!(seen.detail.storage_type.as_deref(), Some("gp3"));
        assert!(seen.detail.option_groups.is_empty(), "AWS's own group is nobody's choice");
        assert!(seen.detail.resource_id.as_ref().is_some_and(|id| id.starts_with("db-")));
        assert!(seen.detail.latest_restorable.is_some());
        let around = fixture.cloud.surroundings(&seen).await.unwrap();
        let maintenance = around.maintenance.unwrap();
        assert_eq!((&*maintenance[0].action, maintenance[0].at), ("db-upgrade", at));
        let quotas = around.quotas.unwrap();
        let clusters = quotas.iter().find(|quota| quota.name == "DBClusters").unwrap();
        assert_eq!((clusters.used, clusters.max), (0, 1));

        fixture.lab.arm(Order::unlimited(Fault::Denied).only("DescribeAlarms")).await;
        let around = fixture.cloud.surroundings(&seen).await.unwrap();
        assert_eq!(around.alarms.unwrap_err().kind, FailureKind::Denied);
        assert!(around.quotas.is_ok(), "one part that may not be read hides no other");
        fixture.down().await;
    }
}

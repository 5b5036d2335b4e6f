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
    use landfall_core::{Epoch, FailureKind, InstanceId};
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
            .credentials_provider(Credentials::new("lab", "lab", None, None, "test"))
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
}

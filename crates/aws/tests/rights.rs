//! The rights that the documentation ships: each is needed, and together they are enough.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::time::Duration;

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use landfall_aws::{AwsCloud, Logins};
    use landfall_core::action::CloudAction;
    use landfall_core::port::{Cloud, Stamp};
    use landfall_core::probe::Verdict;
    use landfall_core::{Endpoint, Epoch, FailureKind};
    use landfall_lab::account::{ASSESSOR, DOCTORS, LANDFALL};
    use landfall_lab::cloud::names::Identifier;
    use landfall_lab::policy::{ASSESS, DOCTOR, MOVE};
    use landfall_lab::supervisor::{Lab, LabConfig};

    const CALL_TIMEOUT: Duration = Duration::from_secs(10);

    /// What no line of ours calls: AWS asks for it on the way.
    const ON_THE_WAY: [&str; 4] =
        ["iam:PassRole", "kms:CreateGrant", "kms:DescribeKey", "rds-db:connect"];

    /// The calls in the source of this crate, such as `describe_db_instances`.
    fn called(folder: &Path, found: &mut BTreeSet<String>) {
        const VERBS: [&str; 10] = [
            "add_",
            "change_resource",
            "create_",
            "delete_",
            "describe_",
            "get_",
            "list_",
            "modify_",
            "promote_",
            "put_metric",
        ];
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                called(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("()") {
                let (before, _) = text.split_at(at);
                let word = before.rsplit(|c: char| !c.is_ascii_lowercase() && c != '_').next();
                let Some(word) = word else { continue };
                let asked = before.strip_suffix(word).is_some_and(|rest| rest.ends_with('.'));
                let verb = VERBS.iter().any(|verb| word.starts_with(verb));
                if asked
                    && (verb || word == "register_db_proxy_targets" || word == "reboot_db_instance")
                {
                    found.insert(word.replace('_', ""));
                }
            }
        }
    }

    fn allowed(document: &str) -> BTreeSet<String> {
        let policy: serde_json::Value = serde_json::from_str(document).unwrap();
        let one = |action: &serde_json::Value| action.as_str().map(str::to_owned);
        let statements = policy["Statement"].as_array().unwrap().iter();
        statements
            .flat_map(|statement| match statement["Action"].as_array() {
                Some(list) => list.iter().filter_map(one).collect(),
                None => one(&statement["Action"]).into_iter().collect::<Vec<_>>(),
            })
            .collect()
    }

    #[test]
    fn the_policy_names_every_call_of_the_code_and_no_other() {
        let mut calls = BTreeSet::new();
        called(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut calls);
        assert!(calls.len() > 40, "the search finds too little: {calls:?}");
        let named: BTreeSet<String> = allowed(MOVE)
            .into_iter()
            .filter(|action| !ON_THE_WAY.contains(&action.as_str()))
            .filter_map(|action| Some(action.split_once(':')?.1.to_lowercase()))
            .collect();
        let missing: Vec<_> = calls.difference(&named).collect();
        let superfluous: Vec<_> = named.difference(&calls).collect();
        assert!(missing.is_empty(), "called and not in docs/operate/iam-policy.json: {missing:?}");
        assert!(superfluous.is_empty(), "allowed and never called: {superfluous:?}");
        for smaller in [ASSESS, DOCTOR] {
            let beyond: Vec<_> = allowed(smaller).difference(&allowed(MOVE)).cloned().collect();
            assert!(beyond.is_empty(), "{beyond:?}");
        }
    }

    async fn lab(folder: &Path) -> Lab {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).unwrap();
        Lab::up(LabConfig::new(folder.join("lab"))).await.unwrap()
    }

    async fn config(lab: &Lab, access_key: &'static str) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(lab.endpoint_url())
            .credentials_provider(Credentials::new(access_key, "lab", None, None, "test"))
            .load()
            .await
    }

    #[tokio::test]
    async fn a_smaller_policy_is_enough_for_its_purpose_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let lab = lab(folder.path()).await;
        let source = lab.source().instance.as_str().into();
        let doctor = AwsCloud::new(&config(&lab, DOCTORS).await, CALL_TIMEOUT).unwrap();
        let probed = doctor.probe().await;
        let refused: Vec<_> =
            probed.iter().filter(|one| one.seen.contains("AccessDenied")).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        assert!(probed.iter().any(|one| one.verdict == Verdict::Confirmed));

        let assessor = AwsCloud::new(&config(&lab, ASSESSOR).await, CALL_TIMEOUT).unwrap();
        let instance = assessor.instance(&source).await.unwrap().unwrap();
        let around = assessor.surroundings(&instance).await.unwrap();
        around.maintenance.unwrap();
        around.quotas.unwrap();
        around.alarms.unwrap();
        let stamp = Stamp { migration: "orders".into(), epoch: Epoch(1) };
        let reboot = CloudAction::RebootInstance { instance: source };
        for cloud in [&doctor, &assessor] {
            let failure = cloud.act(&reboot, &stamp).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Denied);
            // The action, the resource and the reason: what to add, and where.
            for part in ["rds:RebootDBInstance", ":db:shop-prod", "identity-based policy"] {
                assert!(failure.detail.contains(part), "{failure}");
            }
        }
        lab.down().await;
    }

    #[tokio::test]
    async fn a_secret_is_read_and_read_again_after_its_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let lab = lab(folder.path()).await;
        let logins = Logins::new(&config(&lab, LANDFALL).await, CALL_TIMEOUT);
        let at = Endpoint::new("127.0.0.1", 1);
        let arn = lab.cloud().put_secret("orders", r#"{"username":"ann","password":"first"}"#);
        let ann = logins.secret(&arn, "ann");
        assert_eq!(ann.current(&at).await.unwrap().expose(), "first");
        lab.cloud().put_secret("orders", "second");
        assert_eq!(ann.current(&at).await.unwrap().expose(), "first", "it is kept");
        assert_eq!(ann.renewed(&at).await.unwrap().expose(), "second");
        assert_eq!(ann.current(&at).await.unwrap().expose(), "second");

        let gone = logins.secret(&format!("{arn}x"), "ann").current(&at).await.unwrap_err();
        assert_eq!(gone.kind, FailureKind::NotFound, "{gone}");
        assert!(gone.what.contains(&arn), "{gone}");

        let source = lab.source().clone();
        let master = logins.master(&source.instance.as_str().into(), &source.user);
        let unmanaged = master.current(&at).await.unwrap_err();
        assert!(unmanaged.detail.contains("secret:ARN"), "{unmanaged}");
        let id = Identifier::lookup(&source.instance);
        lab.cloud().manage_master_password(&id).unwrap();
        let password = master.current(&at).await.unwrap();
        assert_eq!(password.expose().len(), 28);
        assert!(!format!("{master:?}").contains(password.expose().as_str()));

        let doctor = Logins::new(&config(&lab, DOCTORS).await, CALL_TIMEOUT);
        let denied = doctor.secret(&arn, "ann").current(&at).await.unwrap_err();
        assert_eq!(denied.kind, FailureKind::Denied, "{denied}");
        assert!(denied.detail.contains("secretsmanager:GetSecretValue"), "{denied}");
        lab.down().await;
    }

    #[tokio::test]
    async fn a_token_names_its_role_and_server_and_is_signed_again_when_refused() {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKID", "hunter2", None, None, "test"))
            .load()
            .await;
        let tokens = Logins::new(&config, CALL_TIMEOUT).token("landfall");
        let at = Endpoint::new("orders.example", 5432);
        let token = tokens.current(&at).await.unwrap();
        let text = token.expose();
        assert!(text.starts_with("orders.example:5432/?Action=connect&DBUser=landfall"), "{text}");
        assert!(text.contains("X-Amz-Expires=900") && !text.contains("hunter2"), "{text}");
        assert_eq!(tokens.current(&at).await.unwrap(), token, "it is kept for the next login");
        let other = tokens.current(&Endpoint::new("other.example", 5432)).await.unwrap();
        assert_ne!(other, token, "each server has its own");
        assert!(!format!("{tokens:?}").contains("Signature"));

        let nowhere = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let failure = Logins::new(&nowhere, CALL_TIMEOUT).token("x").current(&at).await;
        assert!(failure.unwrap_err().detail.contains("AWS_REGION"));
    }
}

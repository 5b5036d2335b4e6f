//! The official model of RDS, as the `aws` command carries it, and the names it allows.
//!
//! Both the SDK and the command ignore elements that they do not know, so a misspelt one is
//! silent everywhere but here.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::document::Element;

/// Codes that any action may answer and that the model therefore does not list.
const COMMON: [&str; 9] = [
    "AccessDenied",
    "InternalFailure",
    "InvalidAction",
    "InvalidParameterCombination",
    "InvalidParameterValue",
    "MissingAuthenticationToken",
    "MissingParameter",
    "ServiceUnavailable",
    "Throttling",
];

pub(crate) struct Model(Value);

impl Model {
    /// Finds and reads the model beside the `aws` command; `None` when it carries none.
    pub(crate) fn find() -> Option<Self> {
        let file = candidates().into_iter().find(|path| path.exists())?;
        let unpacked = Command::new("gzip").arg("-dc").arg(file).output().ok()?;
        serde_json::from_slice(&unpacked.stdout).ok().map(Self)
    }

    fn operation(&self, action: &str) -> &Value {
        let operation = &self.0["operations"][action];
        assert!(operation.is_object(), "RDS has no action {action}");
        operation
    }

    /// The names of the members that a request must have.
    pub(crate) fn required(&self, action: &str) -> Vec<String> {
        let Some(shape) = self.operation(action)["input"]["shape"].as_str() else { return vec![] };
        let names = self.0["shapes"][shape]["required"].as_array().cloned().unwrap_or_default();
        names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// Whether an action may answer this code, and with which status if the model says.
    pub(crate) fn allows(&self, action: &str, code: &str) -> bool {
        let errors = self.operation(action)["errors"].as_array().cloned().unwrap_or_default();
        let listed = errors.iter().filter_map(|error| error["shape"].as_str());
        let mut codes = listed.map(|shape| self.0["shapes"][shape]["error"]["code"].clone());
        COMMON.contains(&code) || codes.any(|listed| listed == code)
    }

    /// Everything in an answer that the model does not have, as paths.
    pub(crate) fn strangers(&self, action: &str, answer: &Element) -> Vec<String> {
        let mut found = Vec::new();
        let output = &self.operation(action)["output"];
        let wrapper = output["resultWrapper"].as_str();
        let allowed = [wrapper.unwrap_or_default(), "ResponseMetadata"];
        if answer.name != format!("{action}Response") {
            found.push(answer.name.clone());
        }
        for child in &answer.children {
            if !allowed.contains(&child.name.as_str()) {
                found.push(child.name.clone());
            } else if Some(child.name.as_str()) == wrapper {
                let shape = output["shape"].as_str().unwrap();
                self.walk(shape, child, &child.name, &mut found);
            }
        }
        found
    }

    fn walk(&self, shape: &str, element: &Element, path: &str, found: &mut Vec<String>) {
        let shape = &self.0["shapes"][shape];
        let members = shape["members"].as_object();
        for child in &element.children {
            let path = format!("{path}/{}", child.name);
            let member = match shape["type"].as_str().unwrap() {
                "structure" => members.and_then(|members| {
                    let named = |(name, member): &(&String, &Value)| {
                        member["locationName"].as_str().unwrap_or(name) == child.name
                    };
                    members.iter().find(named).map(|(_, member)| member)
                }),
                "list" => {
                    let member = &shape["member"];
                    let name = member["locationName"].as_str().unwrap_or("member");
                    (name == child.name).then_some(member)
                }
                _ => None,
            };
            match member {
                Some(member) => {
                    self.walk(member["shape"].as_str().unwrap(), child, &path, found);
                }
                None => found.push(path),
            }
        }
    }
}

/// Where a `service-2.json.gz` may be: beside the command, or with the Python that it runs on.
fn candidates() -> Vec<PathBuf> {
    let tail = "botocore/data/rds/2014-10-31/service-2.json.gz";
    let mut found = Vec::new();
    let command = landfall_lab::tools::aws().ok().and_then(|path| path.canonicalize().ok());
    if let Some(home) = command.as_deref().and_then(|path| path.parent()?.parent()) {
        let pythons = std::fs::read_dir(home.join("lib")).into_iter().flatten().flatten();
        found.extend(pythons.map(|python| python.path().join("site-packages").join(tail)));
        found.push(home.join("awscli").join(tail));
    }
    let ask = "import botocore, os; print(os.path.dirname(os.path.dirname(botocore.__file__)))";
    if let Ok(answer) = Command::new("python3").args(["-c", ask]).output() {
        let folder = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        if !folder.is_empty() {
            found.push(PathBuf::from(folder).join(tail));
        }
    }
    found
}

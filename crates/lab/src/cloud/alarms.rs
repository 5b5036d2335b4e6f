//! CloudWatch alarms on one metric each: kept as they were put, and shown again. They ring nobody.

use serde_json::{Map, Value};

use super::Cloud;
use super::names::{ACCOUNT, REGION};
use super::refusal::{Code, Refusal};

/// What an alarm must have besides its name and its metric.
const REQUIRED: [&str; 4] = ["AlarmName", "ComparisonOperator", "EvaluationPeriods", "MetricName"];

impl Cloud {
    /// Puts an alarm, in place of one of the same name.
    pub fn put_alarm(&self, input: &Value) -> Result<(), Refusal> {
        let fields = input.as_object().cloned().unwrap_or_default();
        if let Some(missing) = REQUIRED.iter().find(|name| !fields.contains_key(**name)) {
            let message = format!("The parameter {missing} is required.");
            return Err(Refusal::new(Code::MissingParameter, message));
        }
        let Some(name) = fields.get("AlarmName").and_then(Value::as_str).map(str::to_owned) else {
            return Err(Refusal::value("AlarmName must be a string."));
        };
        self.world().alarms.insert(name.clone(), shown(name, fields));
        Ok(())
    }

    /// Removes alarms; absent ones are not found.
    pub fn delete_alarms(&self, names: &[String]) -> Result<(), Refusal> {
        let mut world = self.world();
        if let Some(unknown) = names.iter().find(|name| !world.alarms.contains_key(*name)) {
            let message = format!("Alarm {unknown} does not exist.");
            return Err(Refusal::new(Code::AlarmNotFound, message));
        }
        world.alarms.retain(|name, _| !names.contains(name));
        Ok(())
    }
}

/// The alarm as CloudWatch describes it.
fn shown(name: String, mut fields: Map<String, Value>) -> Map<String, Value> {
    let arn = format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}");
    fields.remove("Tags");
    fields.insert("AlarmArn".to_owned(), arn.into());
    fields.insert("StateValue".to_owned(), "INSUFFICIENT_DATA".into());
    fields.entry("ActionsEnabled").or_insert(true.into());
    fields
}

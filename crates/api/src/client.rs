//! The client: one method per address. It retries nothing; whoever asks decides.

use std::time::Duration;

use landfall_core::probe::Probed;
use landfall_core::{MigrationName, Seq};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    AdoptRoute, ApiProblem, Assessment, DropSlot, EvidenceKey, Health, History, MoveLine, MoveView,
    Order, PlanView, ProxyCertificate, ReportForm, Saved, ServiceRoute, SlotDropped, SpecText,
    StartMove, Started,
};

/// Longer than any answer takes: a dry run reads the whole account.
const ANSWER_WITHIN: Duration = Duration::from_mins(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no answer, or which problem is the answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error("reach the Landfall server at {url}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server's answer is a problem.
    #[error("{0}")]
    Problem(Box<ApiProblem>),
    /// Something answers that is not Landfall, or of another version.
    #[error("understand the answer of {url} (HTTP {status})")]
    Strange {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
    },
}

/// A server, by its URL.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    /// What a server that belongs to one command must be told.
    token: Option<String>,
}

impl Client {
    /// A client of the server at `url`, such as `http://127.0.0.1:18080`.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .timeout(ANSWER_WITHIN)
            .connect_timeout(CONNECT_WITHIN)
            // The server is named by the operator: a proxy of the environment is not meant.
            .no_proxy()
            .build()
            .map_err(|source| ClientError::Unreachable { url: url.to_owned(), source })?;
        Ok(Self { base: url.trim_end_matches('/').to_owned(), http, token: None })
    }

    /// The same client, known to a server that hears only this one.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// The server's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Starts a move, or goes on with it.
    pub async fn start(&self, start: &StartMove) -> Result<Started, ClientError> {
        self.post("/v1/moves", start).await
    }

    /// Every move.
    pub async fn moves(&self) -> Result<Vec<MoveLine>, ClientError> {
        self.get("/v1/moves").await
    }

    /// One move.
    pub async fn one(&self, name: &MigrationName) -> Result<MoveView, ClientError> {
        self.get(&format!("/v1/moves/{}", segment(name.as_str()))).await
    }

    /// The journal after a position.
    pub async fn history(&self, name: &MigrationName, after: Seq) -> Result<History, ClientError> {
        self.get(&format!("/v1/moves/{}/history?after={after}", segment(name.as_str()))).await
    }

    /// `approve`, `pause`, `resume`, `abort`, `roll-back` or `retire`; answers where the move then stands.
    pub async fn order(
        &self,
        name: &MigrationName,
        verb: &str,
        order: &Order,
    ) -> Result<MoveView, ClientError> {
        self.post(&format!("/v1/moves/{}/{verb}", segment(name.as_str())), order).await
    }

    /// The dry run of a spec.
    pub async fn plan(&self, spec: &SpecText) -> Result<PlanView, ClientError> {
        self.post("/v1/plan", spec).await
    }

    /// What is found about a spec's source.
    pub async fn assess(&self, spec: &SpecText) -> Result<Assessment, ClientError> {
        self.post("/v1/assess", spec).await
    }

    /// What an assessment judges, without the judgement.
    pub async fn inventory(&self, spec: &SpecText) -> Result<Saved, ClientError> {
        self.post("/v1/inventory", spec).await
    }

    /// Drops a slot that nobody uses.
    pub async fn drop_slot(&self, order: &DropSlot) -> Result<SlotDropped, ClientError> {
        self.post("/v1/slots/drop", order).await
    }

    /// Every service.
    pub async fn routes(&self) -> Result<Vec<ServiceRoute>, ClientError> {
        self.get("/v1/routes").await
    }

    /// The services of a spec, at the gateways that it describes, whether or not it has a move.
    pub async fn routes_of(&self, spec: &SpecText) -> Result<Vec<ServiceRoute>, ClientError> {
        self.post("/v1/routes/of-spec", spec).await
    }

    /// Every certificate that proxies were told.
    pub async fn certificates(&self) -> Result<Vec<ProxyCertificate>, ClientError> {
        self.get("/v1/certificates").await
    }

    /// Takes a service on.
    pub async fn adopt(&self, adopt: &AdoptRoute) -> Result<ServiceRoute, ClientError> {
        self.post("/v1/routes", adopt).await
    }

    /// The report of a move, in one of its forms, as it is written to a file.
    pub async fn report(
        &self,
        name: &MigrationName,
        form: ReportForm,
    ) -> Result<String, ClientError> {
        let (name, form) = (segment(name.as_str()), form.word());
        let url = format!("{}/v1/moves/{name}/report?form={form}", self.base);
        let (status, body) = self.sent(self.http.get(&url), &url).await?;
        String::from_utf8(body).map_err(|_| ClientError::Strange { url, status })
    }

    /// The public key that reports are signed with.
    pub async fn evidence_key(&self) -> Result<EvidenceKey, ClientError> {
        self.get("/v1/evidence/key").await
    }

    /// The facts about AWS that were tried on the server's account.
    pub async fn probe(&self) -> Result<Vec<Probed>, ClientError> {
        self.get("/v1/doctor/aws").await
    }

    /// Whether the server is there.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get("/v1/health").await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.base);
        self.answer(self.http.get(&url), url).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.base);
        self.answer(self.http.post(&url).json(body), url).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        url: String,
    ) -> Result<T, ClientError> {
        let (status, body) = self.sent(request, &url).await?;
        serde_json::from_slice(&body).map_err(|_| ClientError::Strange { url, status })
    }

    /// The body of a success.
    async fn sent(
        &self,
        request: reqwest::RequestBuilder,
        url: &str,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let unreachable = |source| ClientError::Unreachable { url: self.base.clone(), source };
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(unreachable)?;
        if (200..300).contains(&status) {
            return Ok((status, body.to_vec()));
        }
        let strange = |_| ClientError::Strange { url: url.to_owned(), status };
        let problem: ApiProblem = serde_json::from_slice(&body).map_err(strange)?;
        Err(ClientError::Problem(Box::new(problem)))
    }
}

/// A name as one segment of a path: what is not plain is percent-encoded.
fn segment(name: &str) -> String {
    use std::fmt::Write;
    name.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(segment("orders-2"), "orders-2");
        assert_eq!(segment("../health?x=é"), "%2E%2E%2Fhealth%3Fx%3D%C3%A9");
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_the_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = Client::new(&url).unwrap().health().await.unwrap_err();
        assert!(matches!(&error, ClientError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(&url), "{error}");
    }
}

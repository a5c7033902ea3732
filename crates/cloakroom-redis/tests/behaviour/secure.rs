//! TLS.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use cloakroom_redis::RedisStore;
use cloakroom_store::Store;
use cloakroom_test_services::redis;
use cloakroom_test_services::server::Redis;

use crate::support::{at, key, record};

#[tokio::test]
async fn a_server_with_tls_is_used_if_its_authority_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    certify(folder.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let options = ["--tls-port", &port, "--tls-auth-clients", "no", "--tls-ca-cert-file", &file("ca.pem")];
    let own = ["--tls-cert-file", &file("server.pem"), "--tls-key-file", &file("server.key")];
    let _server = Redis::start_with(&[&options[..], &own].concat());

    let url = format!("rediss://127.0.0.1:{port}");
    let trusting = RedisStore::builder().ca_certificate(std::fs::read(file("ca.pem")).unwrap());
    let store = trusting.connect(&url).await.unwrap();
    store.create(&key(1), &record(1), at(0)).await.unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(record(1)));

    let error = RedisStore::connect(&url).await.unwrap_err().to_string();
    assert!(error.contains("not trusted"), "{error}");
    let error = trusting.connect(&format!("rediss://localhost:{port}")).await.unwrap_err().to_string();
    assert!(error.contains("is it for this name"), "{error}");
    let error = RedisStore::connect(&format!("redis://127.0.0.1:{port}")).await.unwrap_err().to_string();
    assert!(error.contains("does this port speak TLS? Then"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_one_clear_line() {
    let error = RedisStore::connect(&redis().replace("redis://", "rediss://")).await.unwrap_err().to_string();
    assert!(error.contains("does this port speak TLS? If not"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

/// Makes an authority, and a server's certificate for 127.0.0.1.
fn certify(folder: &Path) {
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority",
    );
    openssl(folder, "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server");
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    openssl(
        folder,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
}

fn openssl(folder: &Path, arguments: &str) {
    let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

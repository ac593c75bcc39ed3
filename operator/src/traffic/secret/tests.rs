use super::*;

const SECRET: &str = "bWljZSBlYXQgdGhlIG1vb24gYXQgbmlnaHQh";

fn data(entries: &[(&str, &[u8])]) -> BTreeMap<String, ByteString> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec()))).collect()
}

fn refusal(name: &[u8], algorithm: &[u8], secret: &[u8]) -> KeyError {
    TsigKey::from_data(&data(&[("name", name), ("algorithm", algorithm), ("secret", secret)])).unwrap_err()
}

#[test]
fn a_key_is_read_and_never_printed() {
    let entries =
        [("name", &b"Lifeboat"[..]), ("algorithm", b"hmac-sha256\n"), ("secret", SECRET.as_bytes())];
    let key = TsigKey::from_data(&data(&entries)).unwrap();
    assert_eq!(format!("{key:?}"), "TsigKey(lifeboat. hmac-sha256)");
}

#[test]
fn each_refusal_says_what_is_wrong() {
    assert_eq!(TsigKey::from_data(&data(&[])).unwrap_err(), KeyError::Missing("name"));
    let unnamed = data(&[("name", b"k"), ("algorithm", b"hmac-sha256")]);
    assert_eq!(TsigKey::from_data(&unnamed).unwrap_err(), KeyError::Missing("secret"));
    let good = SECRET.as_bytes();
    assert_eq!(refusal(b"\xff", b"hmac-sha256", good), KeyError::NotText("name"));
    assert_eq!(refusal(b"a..b", b"hmac-sha256", good), KeyError::BadName("a..b".into()));
    assert_eq!(refusal(b"", b"hmac-sha256", good), KeyError::BadName(String::new()));
    assert_eq!(refusal(b"k", b"hmac-md5", good), KeyError::Algorithm);
    assert_eq!(refusal(b"k", b"hmac-sha256", b"not base64!"), KeyError::NotBase64);
    assert_eq!(refusal(b"k", b"hmac-sha256", b"AAAA"), KeyError::TooShort(3));
}

//! Principals: `User:alice`.

use kafka_admin::Principal;

/// Reads a type and a name; the first colon divides.
pub(crate) fn parse_principal(text: &str) -> Result<Principal, PrincipalError> {
    match text.split_once(':') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => {
            Ok(Principal { kind: kind.into(), name: name.into() })
        }
        _ => Err(PrincipalError),
    }
}

/// Text that names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write TYPE:NAME, as in User:alice")]
pub(crate) struct PrincipalError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_and_a_name() {
        assert_eq!(parse_principal("User:alice"), Ok(Principal::user("alice")));
        assert_eq!(parse_principal("User:CN=a:b"), Ok(Principal::user("CN=a:b")));
        for wrong in ["", "alice", ":alice", "User:"] {
            assert_eq!(parse_principal(wrong), Err(PrincipalError), "{wrong}");
        }
    }
}

//! Header fields between client and opencode: whatever comes in, only listed ones come out.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use gateway::proxy::headers::{TO_CLIENT, TO_SERVER, kept, returned};

/// Both filters on the same fields.
///
/// # Panics
/// When the property is broken.
pub fn check(fields: &[(String, Vec<u8>)]) {
    let mut given = HeaderMap::new();
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::from_bytes(value),
        ) {
            given.append(name, value);
        }
    }
    for (output, listed) in [(kept(&given), &TO_SERVER[..]), (returned(&given), &TO_CLIENT[..])] {
        assert!(size(&output) <= size(&given));
        for (name, value) in &output {
            assert!(listed.contains(name), "{name}");
            assert_eq!(given.get_all(name).iter().collect::<Vec<_>>(), [value]);
        }
        // Nothing that stands there once and is listed is lost.
        for name in listed {
            if given.get_all(name).iter().count() == 1 {
                assert!(output.contains_key(name), "{name}");
            }
        }
    }
}

fn size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec![
                "accept",
                "Accept",
                "content-type",
                "CONTENT-TYPE",
                "content-length",
                "x-next-cursor",
                "cookie",
                "set-cookie",
                "authorization",
                "Authorization",
                "proxy-authorization",
                "connection",
                "keep-alive",
                "te",
                "trailer",
                "upgrade",
                "transfer-encoding",
                "x-forwarded-for",
                "x_forwarded_for",
                "X-Forwarded-Host",
                "forwarded",
                "via",
                "x-real-ip",
                "cf-connecting-ip",
                "x-original-url",
                "x-rewrite-url",
                "x-http-method-override",
                "x-opencode-directory",
                "link",
                "location",
                "access-control-allow-origin",
            ])
            .prop_map(str::to_owned),
            "[a-zA-Z_-]{1,12}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn only_listed_fields_cross(fields in prop::collection::vec((name(), prop::collection::vec(any::<u8>(), 0..12)), 0..20)) {
            check(&fields);
        }
    }
}

//! Pages that many look at, made once: five hundred open overviews cost as much as one.

use crate::{
    domain::time::{MINUTE_MS, UnixMs},
    threads::Pool,
};
use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{
    collections::HashMap,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

/// A page is shown to others for this long, unless a status changes.
const FRESH_MS: i64 = 1_000;
/// Different pages kept.
const KEPT: usize = 64;

/// The latest pages, by what they depend on.
#[derive(Debug)]
pub struct PageCache {
    slots: Mutex<Slots>,
    /// Where they are compressed, one after the other.
    packing: Pool,
}

impl Default for PageCache {
    fn default() -> PageCache {
        PageCache { slots: Mutex::default(), packing: Pool::new("pack", 1, KEPT).giving_way() }
    }
}

#[derive(Default, Debug)]
struct Slots {
    by_key: HashMap<String, Slot>,
    /// When the counts were last halved.
    halved_at: Option<UnixMs>,
}

#[derive(Debug)]
struct Slot {
    page: Arc<Page>,
    /// How often it was requested recently.
    asked: u32,
    asked_at: UnixMs,
}

/// Locked while the page is made.
type Page = tokio::sync::Mutex<Option<Made>>;

#[derive(Clone, Debug)]
struct Made {
    at: UnixMs,
    /// The live state's changes when it was made.
    changes: u64,
    html: Bytes,
    gzip: Bytes,
}

impl PageCache {
    /// The place of a page. The page with the fewest recent requests gives way to a new one: a client that requests many
    /// pages that nobody else looks at pushes out its own.
    fn page(&self, key: String, now: UnixMs) -> Arc<Page> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back counts as a minute, too.
        if slots.halved_at.is_none_or(|at| !(0..MINUTE_MS).contains(&now.since(at))) {
            slots.by_key.values_mut().for_each(|slot| slot.asked /= 2);
            slots.halved_at = Some(now);
        }
        if slots.by_key.len() >= KEPT && !slots.by_key.contains_key(&key) {
            let least = slots.by_key.iter().min_by_key(|(_, slot)| (slot.asked, slot.asked_at));
            let least = least.map(|(key, _)| key.clone());
            least.and_then(|key| slots.by_key.remove(&key));
        }
        let slot = slots.by_key.entry(key).or_insert_with(|| Slot { page: Arc::default(), asked: 0, asked_at: now });
        slot.asked = slot.asked.saturating_add(1);
        slot.asked_at = now;
        slot.page.clone()
    }

    /// The page of this key, made at most a second ago and since the last change of a status.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) async fn get<E>(
        &self,
        key: String,
        changes: u64,
        now: UnixMs,
        headers: &HeaderMap,
        make: impl Future<Output = Result<String, E>>,
    ) -> Result<Response, E> {
        let page = self.page(key, now);
        let mut slot = page.lock().await;
        let made = match slot.take() {
            Some(made) if made.changes == changes && (0..FRESH_MS).contains(&now.since(made.at)) => made,
            _ => {
                let html = Bytes::from(make.await?);
                let whole = html.clone();
                let gzip = match self.packing.run(move |_| compressed(&whole)) {
                    Ok(gzip) => gzip.await.unwrap_or_default(),
                    Err(_busy) => Bytes::new(),
                };
                Made { at: now, changes, html, gzip }
            }
        };
        *slot = Some(made.clone());
        drop(slot);
        Ok(made.response(headers))
    }
}

impl Made {
    fn response(self, headers: &HeaderMap) -> Response {
        let accepts = |name: &str| {
            let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
            accepted.flat_map(|line| line.split(',')).any(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                parts.next() == Some(name) && !parts.any(|q| q == "q=0")
            })
        };
        if accepts("gzip") && !self.gzip.is_empty() {
            let mut response = Html(self.gzip).into_response();
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            Html(self.html).into_response()
        }
    }
}

/// Empty where it cannot be compressed, which memory alone can keep it from; then it is sent as it is.
fn compressed(html: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(html.len() / 8), Compression::new(5));
    match encoder.write_all(html).and_then(|()| encoder.finish()) {
        Ok(gzip) => gzip.into(),
        Err(_) => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_page_is_made_once_a_second_and_after_each_change() {
        let (cache, made) = (PageCache::default(), AtomicU32::new(0));
        let ask = async |key: &str, changes: u64, at: i64| {
            let make = async {
                made.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>("page".repeat(100))
            };
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, "br, gzip;q=0.5".parse().unwrap());
            let response = cache.get(key.to_owned(), changes, UnixMs(at), &headers, make).await.unwrap();
            assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
            made.load(Ordering::Relaxed)
        };
        assert_eq!(ask("a", 0, 0).await, 1);
        assert_eq!(ask("a", 0, FRESH_MS - 1).await, 1);
        assert_eq!(ask("a", 0, FRESH_MS).await, 2);
        assert_eq!(ask("a", 1, FRESH_MS).await, 3);
        assert_eq!(ask("b", 1, FRESH_MS).await, 4);
    }

    #[tokio::test]
    async fn pages_that_one_asks_for_do_not_push_out_the_page_that_many_look_at() {
        let (cache, made) = (PageCache::default(), AtomicU32::new(0));
        let ask = async |key: &str, at: i64| {
            let make = async {
                made.fetch_add(u32::from(key == "overview"), Ordering::Relaxed);
                Ok::<_, Infallible>(String::new())
            };
            cache.get(key.to_owned(), 0, UnixMs(at), &HeaderMap::new(), make).await.unwrap();
            made.load(Ordering::Relaxed)
        };
        for second in 0..5 {
            let at = second * 1000;
            // Two readers within the page's second, and many pages of somebody else between them.
            ask("overview", at).await;
            for other in 0..2 * KEPT {
                ask(&format!("{second}/{other}"), at + 1).await;
            }
            // The first time it is a page like the others.
            let expected = if second == 0 { 2 } else { second as u32 + 2 };
            assert_eq!(ask("overview", at + 2).await, expected, "in second {second}");
        }
        assert!(cache.slots.lock().unwrap().by_key.len() <= KEPT);
    }

    #[tokio::test]
    async fn whoever_cannot_read_gzip_gets_the_page_as_it_is() {
        let cache = PageCache::default();
        for accept in ["identity", "gzip;q=0", ""] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
            let response = cache
                .get("a".into(), 0, UnixMs(0), &headers, async { Ok::<_, Infallible>("page".into()) })
                .await
                .unwrap();
            assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
        }
    }
}

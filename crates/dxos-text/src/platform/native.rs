//! Native: `catch_unwind`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Doing;

/// Runs `work`; a panic becomes an error with its message. What `work` touched must be dropped then.
pub(crate) fn guard<T>(_doing: Doing, work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        format!("the engine panicked: {}", message.unwrap_or("no message"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_errors() {
        assert_eq!(guard(Doing::Other, || 1), Ok(1));
        let error = guard(Doing::Import, || -> u32 { panic!("bad {}", "bytes") }).unwrap_err();
        assert_eq!(error, "the engine panicked: bad bytes");
    }
}

//! Writes the log to standard error.

use std::{env, fmt, io, io::IsTerminal as _};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::config::{LogConfig, LogFormat};

/// Sends all further log lines to standard error. Only the first call of a process has an effect.
pub fn start(log: &LogConfig) {
    let filter = EnvFilter::try_new(log.filter.join(",")).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // systemd sets JOURNAL_STREAM for what writes straight into the journal.
    let journal =
        log.format == LogFormat::Auto && env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal();
    let started = if log.format == LogFormat::Json {
        registry.with(lines.json().flatten_event(true).with_current_span(true).with_span_list(false)).try_init()
    } else if journal {
        registry.with(lines.with_ansi(false).event_format(JournalLine)).try_init()
    } else {
        registry.with(lines.with_ansi(io::stderr().is_terminal())).try_init()
    };
    if let Err(error) = started {
        tracing::debug!(%error, "the log had been started before");
    }
}

/// A line as journald reads it: the level as `<6>` in front, no time and no colours.
struct JournalLine;

impl<S, N> FormatEvent<S, N> for JournalLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        let rest = tracing_subscriber::fmt::format().without_time().with_level(false).with_ansi(false);
        rest.format_event(context, writer, event)
    }
}

/// The level in syslog's numbers.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex, PoisonError},
    };

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::JournalLine;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_for_the_journal_begins_with_its_level_and_has_no_time() {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).event_format(JournalLine);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(order = 7, "late");
        });
        let bytes = sink.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(String::from_utf8_lossy(&bytes), "<4>andon::telemetry::tests: late order=7\n");
    }
}

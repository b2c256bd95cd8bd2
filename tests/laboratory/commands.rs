//! What commands do wrong.

use super::fault::{Expected, Fault, Port};
use healthcheck_dashboard::domain::check::Class;

const KEYS: &str = "command = [\"sh\", \"PROGRAM\"]\n";

pub(super) fn faults() -> Vec<Fault> {
    use Class::{ExitCode, Timeout};
    let fault =
        |name, expected, script| Fault::new("command", name, expected, KEYS, Port::Runs("exit 0"), Port::Runs(script));
    let down = |name, class, script| fault(name, Expected::Down(class), script);
    // A script that hangs says by whose number, which is that of the process to come.
    vec![
        down("it ends with exit code 1", ExitCode, "echo broken; exit 1"),
        down("it is killed by a signal", ExitCode, "kill -KILL $$"),
        down("what it runs is not there", ExitCode, "no-such-program"),
        down("it hangs", Timeout, "echo $$ >$0.hangs; exec sleep 1000"),
        down("it hangs and ignores SIGTERM", Timeout, "trap '' TERM INT HUP; echo $$ >$0.hangs; exec sleep 1000"),
        down("it hangs in a child", Timeout, "sleep 1000 & echo $$ >$0.hangs; wait"),
        down("it fails and leaves a child that hangs", ExitCode, "sleep 1000 & exit 3"),
        fault("it goes well and leaves a child that hangs", Expected::Up, "sleep 1000 & exit 0"),
    ]
}

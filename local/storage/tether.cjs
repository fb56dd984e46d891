// Ends this process in its orderly way when the process that started it goes away: standard input ends then.
"use strict";
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
process.stdin.on("error", () => process.kill(process.pid, "SIGTERM"));
process.stdin.resume();
// Waiting for that must not keep a process alive that has nothing else to do.
process.stdin.unref();
// Azurite listens a moment before it handles SIGTERM. Whoever stops it in that moment gets an orderly end as well.
process.once("SIGTERM", () => {
  if (process.listenerCount("SIGTERM") === 0) process.exit(0);
});

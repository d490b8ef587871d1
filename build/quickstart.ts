/**
 * The quickstart on a disposable machine: two accounts in a jail, and OpenSSH's clients against a real sshd.
 * build/quickstart.mjs starts it. Exit status 0 if every step gave the expected result.
 *
 * `--record FILE` also writes the output as an animated SVG; `--color=WHEN` is that of the tools.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { paintFor } from "../src/cli/colour.ts";
import { display } from "../src/cli/display.ts";
import { openMachine } from "../test/machine/machine.ts";
import { type RecordedLine, recordingSvg } from "./recording.ts";

const jail = "/home/sftproot";
const services = "sftp,scp,rsync";

const m = await openMachine({ under: "ours" });
let failures = 0;
const session: RecordedLine[] = [];
const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { record: { type: "string" }, color: { type: "string" } },
});
const paint = paintFor(values.color, 2);

function say(kind: RecordedLine["kind"], text: string): void {
  if (session.length > 0 && (kind === "heading" || kind === "command")) {
    session.push({ kind: "output", text: "" });
    console.log();
  }
  session.push({ kind, text });
  console.log(kind === "verdict" ? paint(text.includes("FAILED") ? "bad" : "good", text) : text);
}

function show(text: string): void {
  for (const line of text.split("\n")) if (line !== "") say("output", `    ${display(line)}`);
}

/** Runs a command, shows it with its output, and checks its exit status. */
function step(words: string[], options: { stdin?: string; refused?: boolean; quiet?: boolean } = {}): void {
  const shown = words.filter((word) => word !== "OPTIONS");
  say(
    "command",
    `$ ${display(shown.map((word) => (/[^\w@%+=:,./-]/.test(word) ? `'${word}'` : word)).join(" "))}`,
  );
  const expanded = words.flatMap((word) => (word === "OPTIONS" ? clientOptions : [word]));
  const result = m.run(expanded, {
    cwd: "/root",
    ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
  });
  const lines = result.stdout.split("\n");
  if (options.quiet && lines.length > 6)
    show(`${lines.slice(0, 3).join("\n")}\n... ${lines.length - 4} more lines`);
  else show(result.stdout);
  show(result.stderr);
  const good = (result.status === 0) !== (options.refused ?? false);
  say(
    "verdict",
    good
      ? `    (${options.refused ? "refused, as it should be" : "ok"})`
      : `    FAILED: status ${result.status}`,
  );
  if (!good) failures++;
}

let clientOptions: readonly string[] = [];
try {
  await m.startSyslog();
  const sshd = await m.startSshd({ config: ["AuthorizedKeysFile .ssh/authorized_keys"] });
  m.must(["cp", "/run/machine-ssh/client.pub", "/root/key.pub"]);
  clientOptions = sshd.clientOptions;

  say("heading", "A jail for sftp, scp and rsync");
  step(["mkdir", "-m", "0755", jail]);
  step(["jk_init", "-j", jail, "jk_lsh", "sftp", "scp", "rsync"], { quiet: true });
  step(["jk_addjailuser", "-j", jail, "--authorized-key", "key.pub", "--policy", services, "test"]);
  step(["tail", "-n", "3", `${jail}/etc/jailkit/jk_lsh.ini`]);

  say("heading", "An account that exists moves in");
  m.addUser("bob", { home: "/home/bob", createHome: true });
  step(["jk_jailuser", "-n", "-m", "-j", jail, "--policy", services, "bob"]);

  say("heading", "What the account is for");
  m.write("/root/letter", "hello\n");
  step(["sftp", "OPTIONS", "-b", "-", "test@127.0.0.1"], { stdin: "put letter\npwd\nls -l\n" });
  step(["scp", "OPTIONS", "-s", "test@127.0.0.1:letter", "by-sftp"]);
  step(["scp", "OPTIONS", "-O", "test@127.0.0.1:letter", "by-scp"]);
  step(["cmp", "by-sftp", "letter"]);
  step(["cmp", "by-scp", "letter"]);
  m.write("/root/ssh", `#!/bin/sh\nexec ${sshd.command} "$@"\n`, { mode: 0o755 });
  step(["rsync", "-av", "-e", "/root/ssh", "letter", "test@127.0.0.1:by-rsync"]);

  say("heading", "And nothing else");
  step(["ssh", "OPTIONS", "test@127.0.0.1", "id"], { refused: true });
  step(["ssh", "OPTIONS", "test@127.0.0.1", "scp -t . ; id"], { refused: true });
  step(["ssh", "OPTIONS", "test@127.0.0.1"], { refused: true });
  step(["jailkit", "explain", "test", "--", "id"], { refused: true });
} finally {
  await m.close();
}
say("heading", failures === 0 ? "All of it worked. The machine is as it was." : `${failures} steps failed.`);
if (values.record !== undefined) {
  writeFileSync(values.record, recordingSvg("npm run quickstart", session));
  console.log(`recorded in ${values.record}`);
}
process.exit(failures === 0 ? 0 : 1);

/** Users of jails send mail through the mail server of the host: docs/recipes.md, with msmtp and a server. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";
import { installArchives } from "./archives.ts";
import { blocksUnder, RECIPES } from "./recipes-scene.ts";

setDefaultTimeout(120_000);

const PACKAGES = /^(?:msmtp|libgsasl18|libgssglue1|libidn12|libntlm0|libsecret-.*)_/;
const LIVE = "/srv/live";
let m: Machine;
let server: MachineProcess;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  installArchives(m, (name) => PACKAGES.test(name));
  m.write("/etc/msmtprc", "host mail.example.net\npassword SECRET-OF-THE-HOST\n");
  server = m.start([process.execPath, fileURLToPath(new URL("mail-server.ts", import.meta.url))]);
  await server.until(({ stdout }) => stdout.includes("ready\n") || undefined);
  m.must(["jk_init", "-j", "/srv/jail", "basicshell", "php"]);
  m.must(["jk_init", "--live", "-j", LIVE, "basicshell", "php"]);
  m.must(["jk_addjailuser", "-j", "/srv/jail", "-s", "/bin/bash", "-p", "*", "anna"]);
  m.must(["jk_addjailuser", "-j", LIVE, "-s", "/bin/bash", "-p", "*", "lily"]);
  for (const { text, notRun } of blocksUnder(RECIPES, "Mail"))
    if (notRun === undefined) m.must(["sh", "-ec", text]);
  m.must(["cp", "/srv/jail/etc/msmtprc", `${LIVE}/etc/msmtprc`]);
}, 300_000);
afterAll(async () => m.close());

interface Mail {
  from: string;
  to: string[];
  text: string;
}
/** The next mail that the server gets. */
const next = async (send: () => void): Promise<Mail> => {
  const before = server.stdout.length;
  send();
  await server.until(({ stdout }) => stdout.indexOf("\n", before) > 0 || undefined);
  return JSON.parse(server.stdout.slice(before)) as Mail;
};

test.each([
  ["anna", "/srv/jail"],
  ["lily", LIVE],
])("%s in %s sends mail by a command, and by mail() of PHP", async (user, jail) => {
  const inJail = (command: string, stdin = "") => {
    const run = m.run(["jk_chrootsh", "-c", command], { user, stdin });
    expect({ command, status: run.status, stderr: run.stderr }).toEqual({ command, status: 0, stderr: "" });
  };
  const mail = await next(() => inJail("msmtp -t", "To: bob@example.com\nSubject: hello\n\nby hand\n"));
  expect(mail).toMatchObject({ from: `${user}@example.org`, to: ["bob@example.com"] });
  expect(mail.text).toContain("\nby hand\n");
  const [setting] = blocksUnder(RECIPES, "Mail").flatMap(
    ({ text }) => /^sendmail_path = "(.*)"$/.exec(text)?.[1] ?? [],
  );
  const code = `mail("bob@example.com", "hello", "by php") or exit(1);`;
  const php = await next(() => inJail(`php -d 'sendmail_path=${setting}' -r '${code}'`));
  expect(php).toMatchObject({ from: `${user}@example.org`, to: ["bob@example.com"] });
  expect(php.text).toContain("\nby php\n");
  expect(m.run(["grep", "-rl", "SECRET-OF-THE-HOST", `${jail}/etc`]).stdout).toBe("");
  expect(m.run(["jk_check", jail]).stdout).toBe("");
  expect(m.run(["jk_update", "--check", "-j", jail]).status).toBe(0);
});

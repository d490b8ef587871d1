/**
 * `log_format = json`: what jk_chrootsh, jk_lsh and jk_uchroot decide is read back as JSON from the files of rsyslog, parsed
 * by its module mmjsonparse too, and from the journal; from a jail, through jk_socketd.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { idReportSchema } from "../../src/explain/report-schema.ts";
import { type LogEvent, logSchema } from "../../src/system/log-schema.ts";
import { makeAccount } from "../machine/log-relay.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const HOME = `${J}/home/u`;
const LOG = "/var/log/auth.log";
const PARSED = "/var/log/parsed";
const JSON_FORM = "[DEFAULT]\nlog_format = json\n";
const SSH_CONNECTION = "192.0.2.7 50123 2001:db8::1 22";
const LSH_INI = `${J}/etc/jailkit/jk_lsh.ini`;
const lshIni = (more = "") => `[u]\npaths = /usr/bin\nexecutables = /usr/bin/echo\n${more}`;

// The parsed events by their action, and what the log daemon understood of each.
const RSYSLOG = `
module(load="imuxsock" SysSock.RateLimit.Interval="0")
module(load="mmjsonparse")
template(name="line" type="string" string="%syslogtag%|%msg%\\n")
template(name="fields" type="string" string="%parsesuccess%|%syslogtag%|%$!event!action%|%$!user!id%|%$!jk_socketd!uid%|%$!process!args%\\n")
auth.* action(type="omfile" file="${LOG}" template="line")
auth.* action(type="mmjsonparse" cookie="")
auth.* action(type="omfile" file="${PARSED}" template="fields")
`;

let m: Machine;
let uid: number;

/** Goes on when something is so, and lets other work be done meanwhile. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise(setImmediate);
}

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "basicshell", "jk_lsh"]);
  m.must(["jk_addjailuser", "-j", J, "-s", "/usr/sbin/jk_lsh", "u"]);
  uid = m.ids("u").uid;
  for (const name of m.list("/var/log"))
    if (/^(?:auth|syslog|messages|secure)/.test(name)) m.remove(`/var/log/${name}`);
  m.remove("/var/log/journal");
  m.write("/run/rsyslog.conf", RSYSLOG);
  m.start(["/usr/sbin/rsyslogd", "-n", "-f", "/run/rsyslog.conf", "-i", "/run/rsyslogd.pid"]);
  await until(() => m.exists("/dev/log"));
});
afterAll(() => m?.close());
beforeEach(() => {
  m.chown(HOME, uid, m.ids("u").gid);
  m.write("/etc/jailkit/jk_chrootsh.ini", JSON_FORM);
  m.write("/etc/jailkit/jk_uchroot.ini", `[u]\nallowed_jails = ${J}\n${JSON_FORM}`);
  m.write(LSH_INI, lshIni());
});

let marks = 0;
/** The lines of our programs that came while something was done: the program, and the text. */
async function linesOf(action: () => void): Promise<[program: string, text: string][]> {
  const mark = () => {
    const text = `mark ${++marks} end`;
    m.must(["logger", "-p", "auth.info", "-t", "marker", text]);
    return text;
  };
  const first = mark();
  action();
  const last = mark();
  await until(() => m.exists(LOG) && m.read(LOG).includes(last));
  const text = m.read(LOG);
  const lines = text.slice(text.indexOf(first), text.indexOf(last)).split("\n").slice(1, -1);
  return lines.map((line) => {
    const [, program = "", rest = ""] = /^(\w+)(?:\[\d+\])?:\|(?: )?(.*)$/s.exec(line) ?? [];
    return [program, rest];
  });
}

/** The same, if all of them are events. */
async function eventsOf(action: () => void): Promise<LogEvent[]> {
  const lines = await linesOf(action);
  return lines.map(([program, text]) => {
    const event = logSchema.parse(JSON.parse(text));
    expect(event.service.name).toBe(program);
    return event;
  });
}

const actionsOf = (events: readonly LogEvent[]) => events.map(({ event }) => event.action);
const chrootsh = (...words: string[]) =>
  m.run(["/usr/sbin/jk_chrootsh", ...words], { user: "u", env: { USER: "u", SSH_CONNECTION } });
const uchroot = (...words: string[]) =>
  m.run(["jk_uchroot", ...words], { user: "u", env: { USER: "u", SSH_CONNECTION } });
const who = () => ({ id: `${uid}`, name: "u", group: { id: `${m.ids("u").gid}`, name: "users" } });
const from = { source: { ip: "192.0.2.7", port: 50123 }, destination: { ip: "2001:db8::1", port: 22 } };

test("a login and a command that are allowed", async () => {
  const events = await eventsOf(() => expect(chrootsh("-c", "echo hello").stdout).toBe("hello\n"));
  expect(actionsOf(events)).toEqual(["login-allowed", "note", "command-allowed"]);
  const [login, , command] = events;
  expect(login).toMatchObject({
    ...from,
    user: who(),
    event: { category: ["session"], type: ["start", "allowed"], outcome: "success" },
    process: { executable: "/usr/sbin/jk_lsh", args: ["/usr/sbin/jk_chrootsh", "-c", "echo hello"] },
    rule: { name: "DEFAULT", ruleset: "/etc/jailkit/jk_chrootsh.ini" },
    jailkit: { jail: J, section: "DEFAULT" },
  });
  expect(command).toMatchObject({
    ...from,
    user: who(),
    event: { category: ["process"], type: ["start", "allowed"], outcome: "success" },
    process: { executable: "/usr/bin/echo", args: ["/usr/bin/echo", "hello"] },
    rule: { name: "u", ruleset: "/etc/jailkit/jk_lsh.ini" },
    jailkit: { jail: J, section: "u" },
  });
});

test("the key force: what runs, and what was asked for", async () => {
  m.write(LSH_INI, `${lshIni()}force = echo forced\n`);
  const asked = 'rm -rf "\x1b" \xff';
  const events = await eventsOf(() => expect(chrootsh("-c", asked).stdout).toBe("forced\n"));
  expect(events.at(-1)).toMatchObject({
    event: { action: "command-allowed" },
    process: { args: ["/usr/bin/echo", "forced"] },
    jailkit: { rule: "force", original_command: 'rm -rf "\\x1b" \\xff' },
  });
  const none = await eventsOf(() => expect(chrootsh().stdout).toBe("forced\n"));
  expect(none.at(-1)?.jailkit).not.toHaveProperty("original_command");
});

describe("a command that is refused", () => {
  test("tells what was asked for", async () => {
    const events = await eventsOf(() => expect(chrootsh("-c", "id -u").status).toBe(4));
    expect(events.at(-1)).toMatchObject({
      event: { action: "command-refused", type: ["denied"], outcome: "failure", code: "not-allowed" },
      process: { args: ["/usr/sbin/jk_lsh", "-c", "id -u"], exit_code: 4 },
      jailkit: { jail: J, section: "u" },
      user: who(),
    });
  });

  test.each([
    ["a quotation mark, a backslash, and another object", '"},"user":{"id":"0"}} \\" \\\\ {"a":'],
    ["lines, and what a terminal obeys", "id\n<0>kernel: x\r\x1b[31m\x07\x7f"],
    ["bytes that are no UTF-8", "id \xff\xc3 \xed\xa0\x80"],
    ["characters that turn text", "id \xe2\x80\xae\xe2\x80\xa8"],
    ["a great length", `id ${'"'.repeat(60_000)}`],
    ["many words", "id x".repeat(20_000)],
  ])("has %s in one whole event", async (_, words) => {
    const events = await eventsOf(() => expect(chrootsh("-c", words).status).not.toBe(0));
    expect(actionsOf(events)).toEqual(["login-allowed", "note", "command-refused"]);
    for (const event of events) expect(event.user).toEqual(who());
  });

  test("is parsed by mmjsonparse of rsyslog", async () => {
    await eventsOf(() => chrootsh("-c", 'id "\\" \xff\n'));
    await until(() => m.read(PARSED).split("FAIL|marker").length > marks);
    const line = m
      .read(PARSED)
      .split("\n")
      .findLast((one) => one.includes("|command-refused|"));
    expect(line).toStartWith("OK|jk_lsh[");
    expect(line).toContain(`|command-refused|${uid}||`);
  });
});

test("a command that cannot be started", async () => {
  m.write(`${J}/usr/bin/echo2`, "#!/no/such\n", { mode: 0o755 });
  m.write(LSH_INI, lshIni().replace("/usr/bin/echo", "/usr/bin/echo2"));
  const events = await eventsOf(() => expect(chrootsh("-c", "echo2").status).toBe(127));
  m.remove(`${J}/usr/bin/echo2`);
  expect(actionsOf(events)).toEqual(["login-allowed", "note", "command-allowed", "command-failed", "note"]);
  expect(events[3]).toMatchObject({ event: { code: "ENOENT" }, process: { exit_code: 127 } });
});

test("a login that is refused, and jailkit explain finds it by its error id", async () => {
  m.chown(HOME, 0, m.ids("u").gid);
  let stderr = "";
  const events = await eventsOf(() => {
    ({ stderr } = chrootsh("-c", "echo"));
  });
  const id = /JK-[A-Z2-7]{8}/.exec(stderr)?.[0] ?? "none";
  expect(events).toMatchObject([
    {
      ...from,
      user: who(),
      event: {
        action: "login-refused",
        code: "home-owner",
        reason: expect.stringContaining("is not owned by"),
      },
      error: { id },
      process: { exit_code: 53 },
      jailkit: { jail: J, remedy: expect.stringContaining("chown") },
    },
  ]);
  // explain reads the usual format of a file.
  const line = JSON.stringify(events[0]);
  m.write("/var/log/secure", `Nov 26 01:02:03 host jk_chrootsh[7]: ${line}\n`);
  const found = reportOf(idReportSchema, m.run(["jailkit", "explain", "--json", id]).stdout);
  expect(found.refusals).toMatchObject([
    { check: "home-owner", uid, user: "u", reason: events[0]?.event.reason, doubt: null },
  ]);
  expect(found.now?.refused).toBe(true);
  m.remove("/var/log/secure");
});

test("jk_uchroot, allowed and refused", async () => {
  const allowed = await eventsOf(() =>
    expect(uchroot("-j", J, "-x", "/bin/true", "--", "a b").status).toBe(0),
  );
  expect(allowed).toMatchObject([
    {
      ...from,
      user: who(),
      event: { action: "program-allowed" },
      process: { executable: "/bin/true", args: ["/bin/true", "a b"] },
      rule: { name: "u", ruleset: "/etc/jailkit/jk_uchroot.ini" },
      jailkit: { jail: J },
    },
  ]);
  const refused = await eventsOf(() => expect(uchroot("-j", "/srv", "-x", "/bin/true").status).toBe(21));
  expect(refused).toMatchObject([
    {
      event: { action: "program-refused" },
      error: { id: expect.stringMatching(/^JK-/) },
      process: { args: ["jk_uchroot", "-j", "/srv", "-x", "/bin/true"], exit_code: 21 },
      jailkit: { jail: "/srv" },
    },
  ]);
});

describe("the form", () => {
  const forms = async (action: () => void) =>
    (await linesOf(action)).map(([program, text]) => `${program} ${text.startsWith("{") ? "json" : "text"}`);
  const command = () => chrootsh("-c", "echo");

  test("is text without the key", async () => {
    m.remove("/etc/jailkit/jk_chrootsh.ini");
    expect(await forms(command)).toEqual(["jk_chrootsh text", "jk_lsh text", "jk_lsh text"]);
  });

  test("is that of [DEFAULT] for a user with a section", async () => {
    m.write("/etc/jailkit/jk_chrootsh.ini", `[u]\nenv = A\n${JSON_FORM}`);
    expect((await forms(command))[0]).toBe("jk_chrootsh json");
    m.write("/etc/jailkit/jk_chrootsh.ini", "[u]\nlog_format = json\n[DEFAULT]\nenv = A\n");
    expect((await forms(command))[0]).toBe("jk_chrootsh text");
  });

  test("of jk_lsh is that of its own file, also where jk_chrootsh has another", async () => {
    m.write(LSH_INI, lshIni("[DEFAULT]\nlog_format = text\n"));
    expect(await forms(command)).toEqual(["jk_chrootsh json", "jk_lsh text", "jk_lsh text"]);
    m.remove("/etc/jailkit/jk_chrootsh.ini");
    m.write(LSH_INI, lshIni(JSON_FORM));
    expect(await forms(command)).toEqual(["jk_chrootsh text", "jk_lsh json", "jk_lsh json"]);
  });

  test("is that of jk_chrootsh where the file of jk_lsh cannot be used", async () => {
    m.write(LSH_INI, lshIni(), { mode: 0o666 });
    expect(await forms(command)).toEqual(["jk_chrootsh json", "jk_lsh json", "jk_lsh json"]);
    m.remove(LSH_INI);
    expect(await forms(command)).toEqual(["jk_chrootsh json", "jk_lsh json", "jk_lsh json"]);
  });

  test("is text for a caller who is refused before the file was read, or because it is not safe", async () => {
    const refused = () =>
      expect(m.run(["jk_uchroot", "-j", J, "-x", "/x"], { env: { USER: "root" } }).status).toBe(12);
    expect(await forms(refused)).toEqual(["jk_uchroot text"]);
    m.write("/etc/jailkit/jk_chrootsh.ini", JSON_FORM, { mode: 0o666 });
    expect(await forms(() => expect(command().status).toBe(14))).toEqual(["jk_chrootsh text"]);
    m.chmod("/etc/jailkit/jk_chrootsh.ini", 0o644);
  });

  test("is JSON for a mistake in a section, and for the warning about a bad form", async () => {
    m.write("/etc/jailkit/jk_chrootsh.ini", `[u]\nno_new_privs = x\n${JSON_FORM}`);
    expect(await forms(() => expect(command().status).toBe(14))).toEqual(["jk_chrootsh json"]);
    m.write("/etc/jailkit/jk_chrootsh.ini", "[u]\nenv = A\n[DEFAULT]\nlog_format = xml\n");
    const [[, warning] = []] = await linesOf(command);
    expect(warning).toContain("4:14: warning: 'log_format': 'xml' is not one of text, json [bad-value]");
  });
});

test("a variable SSH_CONNECTION with anything but addresses is left out", async () => {
  const env = { USER: "u", SSH_CONNECTION: '"},"user":{"id":"0"}} 1 x 2' };
  const events = await eventsOf(() => m.run(["/usr/sbin/jk_chrootsh", "-c", "echo"], { user: "u", env }));
  expect(events[0]).not.toContainAnyKeys(["source", "destination"]);
  expect(events[0]?.user).toEqual(who());
});

describe("through jk_socketd", () => {
  beforeAll(() => {
    makeAccount(m);
    m.must(["jk_cp", "-j", J, "/usr/sbin/jk_lsh", "/usr/bin/logger"]);
    m.write(
      "/etc/jailkit/jk_socketd.ini",
      `[${J}/dev/log]\nbase = 1000000\npeak = 10000000\ninterval = 0.1\n`,
    );
    m.must(["jk_socketd", "-p", "/run/jk_socketd.pid"]);
  });
  afterAll(() => {
    m?.must(["sh", "-c", "kill $(cat /run/jk_socketd.pid)"]);
    m?.remove(`${J}/usr/sbin/jk_lsh`);
  });
  beforeEach(() => m.write(LSH_INI, lshIni(JSON_FORM)));

  const inJail = (...words: string[]) => uchroot("-j", J, "-x", ...words);
  /** The last line about a command of the user in a jail, when the relay has passed it on. */
  async function relayed(text: string): Promise<string> {
    await until(
      () =>
        m.exists(LOG) &&
        m
          .read(LOG)
          .split("\n")
          .some((one) => one.includes(text) && one.includes("jk_socketd")),
    );
    const line = m
      .read(LOG)
      .split("\n")
      .findLast((one) => one.includes(text) && one.includes("jk_socketd"));
    return line?.slice(line.indexOf("{")) ?? "";
  }

  test("an event is whole, and tells its real sender", async () => {
    expect(inJail("/usr/sbin/jk_lsh", "--", "-c", "id first-one \xff").status).toBe(4);
    const event = logSchema.parse(JSON.parse(await relayed("first-one")));
    expect(event).toMatchObject({
      event: { action: "command-refused", provider: "jk_lsh" },
      user: { id: `${uid}`, name: "u" },
      process: { args: ["/usr/sbin/jk_lsh", "-c", "id first-one \\xff"] },
      jk_socketd: { jail: J, uid },
    });
    await until(() => m.read(PARSED).includes(`|command-refused|${uid}|${uid}|`));
  });

  test("also a long one", async () => {
    const words = `id second ${'"'.repeat(9000)}`;
    inJail("/usr/sbin/jk_lsh", "--", "-c", words);
    const event = logSchema.parse(JSON.parse(await relayed("second")));
    expect(event.jailkit.cut).toContain("process.args");
    expect(event.jk_socketd).toEqual({ jail: J, uid });
  });

  test("a forged one tells who sent it, and jailkit explain doubts it", async () => {
    const forged = { error: { id: "JK-CCCCCCCC" }, event: { type: ["denied"] }, user: { id: "0" } };
    inJail("/usr/bin/logger", "--", "-p", "auth.err", "-t", "jk_chrootsh", JSON.stringify(forged));
    const line = await relayed("JK-CCCCCCCC");
    expect(JSON.parse(line)).toEqual({ ...forged, jk_socketd: { jail: J, uid } });
    m.write("/var/log/secure", `Nov 26 01:02:03 host jk_chrootsh[7]: ${line}\n`);
    const found = reportOf(idReportSchema, m.run(["jailkit", "explain", "--json", "JK-CCCCCCCC"]).stdout);
    expect(found.refusals).toMatchObject([{ uid: 0, doubt: "it was sent from inside a jail" }]);
    m.remove("/var/log/secure");
  });
});

test("of the journal, by its fields", async () => {
  m.must(["sh", "-c", "kill $(cat /run/rsyslogd.pid)"]);
  m.mkdir("/run/systemd/journal");
  m.mkdir("/run/log/journal");
  m.must(["sh", "-c", "rm -f /dev/log; echo 0123456789abcdef0123456789abcdef > /etc/machine-id"]);
  const daemon = "mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /usr/lib/systemd/systemd-journald";
  const journald = m.start(["unshare", "--mount", "--cgroup", "sh", "-c", daemon]);
  await until(() => m.exists("/run/systemd/journal/dev-log"));
  m.symlink("/run/systemd/journal/dev-log", "/dev/log");
  chrootsh("-c", 'id "\\" \xff\x1b\n\xe2\x80\xa8');
  const entries = () =>
    m
      .run(["journalctl", "--output=json", "--quiet", "--all", "SYSLOG_IDENTIFIER=jk_lsh"])
      .stdout.split("\n")
      .filter((line) => line !== "")
      .map((line): Record<string, string> => JSON.parse(line));
  await until(() => entries().some(({ MESSAGE = "" }) => MESSAGE.includes("command-refused")));
  const entry = entries().find(({ MESSAGE = "" }) => MESSAGE.includes("command-refused"));
  const event = logSchema.parse(JSON.parse(entry?.MESSAGE ?? ""));
  expect(event).toMatchObject({
    event: { action: "command-refused" },
    process: { args: ["/usr/sbin/jk_lsh", "-c", 'id "\\\\" \\xff\\x1b\\n\\xe2\\x80\\xa8'] },
  });
  expect([entry?._UID, entry?._PID]).toEqual([event.user.id, `${event.process.pid}`]);

  m.chown(HOME, 0, m.ids("u").gid);
  const id = /JK-[A-Z2-7]{8}/.exec(chrootsh("-c", "id").stderr)?.[0] ?? "none";
  let found = reportOf(idReportSchema, m.run(["jailkit", "explain", "--json", id]).stdout);
  await until(() => {
    found = reportOf(idReportSchema, m.run(["jailkit", "explain", "--json", id]).stdout);
    return found.refusals.length > 0;
  });
  expect(found.refusals).toMatchObject([
    { source: "the journal", program: "jk_chrootsh", uid, check: "home-owner", doubt: null },
  ]);
  journald.kill();
});

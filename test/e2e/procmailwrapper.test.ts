/**
 * Mail through jk_procmailwrapper and the real procmail: a jailed account's stays in the jail, any other's outside, and
 * each recipe runs where its account is. The message arrives unchanged, byte for byte.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { checkout } from "../machine/helper.ts";
import {
  ensureBuilt,
  type Ids,
  type LogLine,
  type Machine,
  openMachine,
  type RunOptions,
  type Syslog,
} from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const jail = "/srv/mail";
const procmail = "/usr/bin/procmail";
const message = "From sender@example.org Thu Jan  1 00:00:00 1970\nSubject: a letter\n\ncaf\xc3\xa9 \xff\n";
const rules = "DEFAULT=$HOME/Maildir/\n";

describe.each(["capability", "setuid"] as const)("%s", (privilege) => {
  let m: Machine;
  let log: Syslog;
  let jailed: Ids;
  let free: Ids;

  beforeAll(async () => {
    m = await openMachine({ under: "ours", privilege });
    log = await m.startSyslog();
    m.mkdir(jail);
    m.must(["jk_init", "-j", jail, "procmail"]);
    m.must(["jk_cp", "-j", jail, "/usr/bin/id"]);
    m.must(["jk_addjailuser", "-j", jail, "jailed"]);
    m.must(["usermod", "-aG", "games", "jailed"]);
    m.addUser("john", { home: "/home/john.doe", createHome: true, groups: ["games"] });
    jailed = m.ids("jailed");
    free = m.ids("john");
  });
  afterAll(async () => m.close());

  beforeEach(async () => {
    await log.clear();
    const owner = (ids: Ids) => [ids.uid, ids.gid] as const;
    for (const name of ["tmp", "var/mail"]) m.mkdir(`${jail}/${name}`, { mode: 0o1777 });
    m.remove(`${jail}/home/jailed`);
    m.mkdir(`${jail}/home/jailed`, { owner: owner(jailed) });
    m.write(`${jail}/home/jailed/.procmailrc`, rules, { owner: owner(jailed) });
    for (const name of m.list("/home/john.doe")) m.remove(`/home/john.doe/${name}`);
    m.write("/home/john.doe/.procmailrc", rules, { owner: owner(free) });
  });

  test("jailkit explain shows what jk_chrootsh.ini lets a delivery do", () => {
    const file = "/etc/jailkit/jk_chrootsh.ini";
    const outcome = (text: string) => {
      m.write(file, text);
      const { stdout } = m.run(["jailkit", "explain", "--json", "--mail", "jailed"]);
      const { steps, verdict, exitStatus, chrootshSection } = reportOf(explainReportSchema, stdout);
      const shown = steps.flatMap(({ name, message }) => (name === "confinement" ? [message] : []));
      const { status } = deliver("jailed");
      m.remove(file);
      return { shown, verdict, told: exitStatus ?? 0, status, section: chrootshSection };
    };
    expect(outcome("[jailed]\nnetwork = none\nlimits = core 0\n")).toEqual({
      shown: ["network none; limits core 0; no new privileges; 2 of 2 kernel features"],
      ...{ verdict: "works", told: 0, status: 0, section: "jailed" },
    });
    expect(m.list(`${jail}/home/jailed/Maildir/new`)).toHaveLength(1);
    expect(outcome("[other]\nnetwork = none\n")).toMatchObject({ shown: [], verdict: "works", status: 0 });
    // Without its settings the mail is kept.
    expect(outcome("[jailed]\nnetwork = lo\n")).toMatchObject({
      ...{ shown: [], verdict: "refused", told: 75, status: 75, section: null },
    });
  });

  test("jailkit explain shows what would happen to mail", () => {
    const explain = (...words: string[]) => m.run(["jailkit", "explain", "--mail", ...words]);
    const inside = explain("jailed");
    expect(inside).toMatchObject({ status: 0, stderr: "" });
    expect(inside.stdout).toContain("Mail for jailed would work.");
    expect(inside.stdout).toContain(`executes: ${procmail}`);
    const outside = explain("--json", "john");
    expect(reportOf(explainReportSchema, outside.stdout)).toMatchObject({
      about: "jk_procmailwrapper",
      verdict: "works",
      jail: null,
    });
    m.chmod(`${jail}/etc`, 0o775);
    const refused = explain("jailed");
    m.chmod(`${jail}/etc`, 0o755);
    expect(refused.status).toBe(1);
    expect(refused.stdout).toContain(`chmod g-w ${jail}/etc`);
    m.rename(`${jail}${procmail}`, `${jail}${procmail}.away`);
    const missing = explain("jailed");
    m.rename(`${jail}${procmail}.away`, `${jail}${procmail}`);
    expect(missing.stdout).toContain(`jk_cp -f -j ${jail} ${procmail}`);
    expect(m.run(["jailkit", "explain", "--mail", "john"], { user: "jailed" }).status).toBe(2);
    expect(explain("john", "--", "x").status).toBe(2);
  });

  const deliver = (user: string, options: RunOptions = {}, ...words: string[]) =>
    m.run(["jk_procmailwrapper", ...words], {
      user,
      stdin: message,
      env: {
        PATH: "/usr/bin:/bin",
        HOME: "/nonexistent",
        LOGNAME: "postmaster",
        SENDER: "sender@example.org",
      },
      ...options,
    });
  const letters = (home: string) =>
    m.exists(`${home}/Maildir/new`)
      ? m.list(`${home}/Maildir/new`).map((name) => `${home}/Maildir/new/${name}`)
      : [];
  /** The message without procmail's own changes: none but the line that marks it in a mailbox. */
  const content = (path: string | undefined) => m.read(path ?? "nothing was delivered");
  const body = message.slice(message.indexOf("\n") + 1);
  const ours = async (): Promise<LogLine[]> =>
    (await log.lines()).filter(({ ident }) => ident === "jk_procmailwrapper");

  test("a jailed account's mail is in its maildir inside the jail", async () => {
    expect(deliver("jailed")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    const [letter, ...others] = letters(`${jail}/home/jailed`);
    expect(others).toEqual([]);
    expect(content(letter)).toEndWith(body);
    expect(m.stat(letter ?? "")).toMatchObject({ uid: jailed.uid, gid: jailed.gid });
    expect(m.exists("/var/mail/jailed")).toBe(false);
    const [line, ...more] = await ours();
    expect(more).toEqual([]);
    expect(line?.message).toBe(`now entering jail ${jail} for user jailed (${jailed.uid}) with arguments `);
    expect(line).toMatchObject({ facility: 4, severity: 6 });
  });

  test("mail of an account with a dot in its home is delivered outside, by the host's procmail", async () => {
    expect(deliver("john")).toMatchObject({ status: 0, stderr: "" });
    const [letter, ...others] = letters("/home/john.doe");
    expect(others).toEqual([]);
    expect(content(letter)).toEndWith(body);
    expect(m.stat(letter ?? "")).toMatchObject({ uid: free.uid });
    expect(await ours()).toEqual([]);
  });

  const recipe = (command: string) => `${rules}SHELL=/bin/sh\nEXTENSION=$1\n:0 c\n| ${command}\n`;
  const run = (
    user: string,
    home: string,
    ids: Ids,
    command: string,
    options?: RunOptions,
    ...words: string[]
  ) => {
    m.write(`${home}/.procmailrc`, recipe(`(${command}) > $HOME/found 2>&1`), {
      owner: [ids.uid, ids.gid ?? 0],
    });
    expect(deliver(user, options, ...words)).toMatchObject({ status: 0 });
    return m.read(`${home}/found`);
  };

  test("a recipe of a jailed account runs in the jail, with nothing of the mail server's environment", () => {
    const found = run("jailed", `${jail}/home/jailed`, jailed, "echo /*; pwd; echo $HOME [$SENDER]");
    expect(found).toBe("/bin /dev /etc /home /lib /lib64 /tmp /usr /var\n/home/jailed\n/home/jailed []\n");
  });

  test("a recipe of any other account runs outside", () => {
    const found = run(
      "john",
      "/home/john.doe",
      free,
      "echo /etc/debian_version; echo $HOME; cat /etc/hostname > /dev/null; pwd",
    );
    expect(found).toBe("/etc/debian_version\n/home/john.doe\n/home/john.doe\n");
  });

  test("the supplementary groups of a delivery into a jail are those of whoever delivers", () => {
    const gid = jailed.gid ?? 0;
    const user = { uid: jailed.uid, gid, groups: [1234, gid] };
    const found = run("jailed", `${jail}/home/jailed`, jailed, "id -G", { user });
    expect(found.trim().split(" ").map(Number).sort()).toEqual([1234, gid].sort());
  });

  test("procmail gets all arguments, with and without a jail", () => {
    const words = ["-a", "exten sion", "-f", "-"];
    expect(run("jailed", `${jail}/home/jailed`, jailed, 'echo "$EXTENSION"', {}, ...words)).toBe(
      "exten sion\n",
    );
    expect(run("john", "/home/john.doe", free, 'echo "$EXTENSION"', {}, ...words)).toBe("exten sion\n");
  });

  test("a message of many megabytes arrives whole", () => {
    const large = `${message}${"x".repeat(76)}\n`.padEnd(12_000_000, "line of text\n");
    expect(deliver("jailed", { stdin: large })).toMatchObject({ status: 0 });
    const letter = content(letters(`${jail}/home/jailed`)[0]);
    expect(letter.length).toBeGreaterThanOrEqual(large.length - 200);
    expect(letter).toContain(`${"x".repeat(76)}\nline of text\n`);
  });

  test("called like a login shell", () => {
    expect(deliver("jailed", { argv0: "-jk_procmailwrapper" })).toMatchObject({ status: 0 });
    expect(letters(`${jail}/home/jailed`)).toHaveLength(1);
  });

  test("--help and --version, without reading mail", () => {
    const help = deliver("john", {}, "--help");
    expect(help.status).toBe(0);
    expect(help.stdout).toStartWith("Usage: jk_procmailwrapper ");
    expect(m.run(["jk_procmailwrapper", "--version"])).toMatchObject({
      status: 0,
      stdout: "jk_procmailwrapper (jailkit) 3.0.0\n",
    });
    expect(letters("/home/john.doe")).toEqual([]);
  });
});

describe("install-tools", () => {
  let m: Machine;
  beforeAll(async () => {
    ensureBuilt(["jailkit", "jk_chrootsh", "jk_procmailwrapper", "jk_uchroot"]);
    m = await openMachine();
  });
  afterAll(async () => m.close());

  const wrapper = "/dest/usr/sbin/jk_procmailwrapper";
  const install = (...words: string[]) =>
    m.must([process.execPath, join(checkout, "build/install.ts"), "--destdir", "/dest", ...words], {
      cwd: checkout,
    });

  test("installs it where procmail is, with the capability, and removes it", () => {
    install();
    expect(m.stat(wrapper)).toMatchObject({ uid: 0, gid: 0, mode: 0o100755 });
    expect(m.must(["getcap", wrapper]).stdout).toBe(`${wrapper} cap_sys_chroot=ep\n`);
    install("--uninstall");
    expect(m.exists(wrapper)).toBe(false);
  });

  test("without procmail, only if requested", () => {
    m.remove(procmail);
    install();
    expect(m.exists(wrapper)).toBe(false);
    install("--with-procmail");
    expect(m.exists(wrapper)).toBe(true);
    const before = m.stat(wrapper)?.ino;
    install();
    expect(m.stat(wrapper)?.ino).not.toBe(before ?? 0n);
  });
});

/** `jailkit apply --prune`: a jail in which root has put something stays, wherever in it that is. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;

/** The codes and messages of a run, after the same of --check. */
function prune(...options: readonly string[]) {
  const problems = (...more: readonly string[]) =>
    linesOf(m, "--prune", ...options, ...more).summary.problems.map(({ code, message }) => [code, message]);
  const check = problems("--check");
  const done = problems();
  expect(check).toEqual(done);
  return done;
}

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

describe("a jail that is not declared any more", () => {
  test.each([
    ["a repository", "srv/git/site.git/HEAD"],
    ["a site", "var/www/html/index.html"],
    ["a note", "home/README"],
    ["a backup", "mnt/backup/2026/dump.sql"],
    ["a program", "opt/app/server"],
    ["settings", "etc/app.d/customer.ini"],
    ["a script", "usr/local/bin/nightly"],
    ["root's own file", "root/notes"],
  ])("stays with %s of root, until somebody takes it out", (_, path) => {
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply"]);
    m.must(["install", "-D", "/etc/hostname", `${J}/${path}`]);
    m.write(FILE, "");
    const message = `jail ${J}: is not declared any more, and stays: it holds other things, such as '${path}': move them away, or keep all of it as it is with: jailkit forget ${J}`;
    expect(linesOf(m).summary).toMatchObject({ warnings: [message], noLongerDeclared: [] });
    expect(prune()).toEqual([["holds-other-things", message]]);
    expect(m.exists(`${J}/${path}`)).toBe(true);
    m.remove(`${J}/${path}`);
    const { stdout } = m.run(["jailkit", "apply"]);
    expect(stdout).toStartWith(
      `no longer declared, and still there: jail ${J}; --prune removes this, unless users have files in it\n`,
    );
    expect([prune(), m.exists(J)]).toEqual([[], false]);
  });

  test("is told of with users of it who are still there, whose homes are nothing else", () => {
    m.write(FILE, `${JAIL}[user bob]\njail = ${J}\nshell = /bin/bash\n`);
    m.must(["jailkit", "apply"]);
    m.must(["install", "-o", "bob", "/etc/hostname", `${J}/home/bob/own`]);
    m.write(FILE, "");
    const told = () => {
      const { warnings, noLongerDeclared } = linesOf(m).summary;
      return [warnings, noLongerDeclared];
    };
    expect(told()).toEqual([[], ["user bob", `jail ${J}`]]);
    m.write(`${J}/srv/dump`, "");
    const keep = `jailkit apply --prune; jailkit forget ${J}`;
    expect(told()).toEqual([
      [
        `jail ${J}: is not declared any more, and stays: it holds other things, such as 'srv/dump': move them away, or keep all of it as it is with: ${keep}`,
      ],
      ["user bob"],
    ]);
    m.remove(`${J}/srv/dump`);
    expect([prune("--delete-homes"), m.exists(J)]).toEqual([[], false]);
  });

  test.each(["tmp", "var/tmp", "run/shared", "var/log/app"])(
    "stays with root's files that a user has moved into %s, and goes with what programs leave there",
    (place) => {
      const [eve, repository] = ["eve", `${J}/srv/proj/repo`];
      const user = `[user ${eve}]\njail = ${J}\nshell = /bin/bash\ngroups = team\n`;
      m.write(FILE, JAIL + user);
      m.must(["jailkit", "apply"]);
      m.must(["install", "-d", "-m", "1777", `${J}/${place}`]);
      m.must(["install", "-d", "-g", "team", "-m", "2775", `${J}/srv`, `${J}/srv/proj`]);
      m.must(["install", "-d", repository]);
      m.write(`${repository}/file`, "precious");
      m.must(["runuser", "-u", eve, "--", "mv", `${J}/srv/proj`, `${J}/${place}`]);
      m.write(FILE, "");
      expect(prune("--delete-homes")).toMatchObject([
        ["holds-other-things", expect.stringContaining(`such as '${place}/proj/repo/file'`)],
      ]);
      m.remove(`${J}/${place}/proj`);
      for (const path of [`${place}/note`, "tmp/socket.log", "var/log/daemon/errors", "run/daemon/pid"])
        m.write(`${J}/${path}`, "");
      m.write(`${J}/${place}/of-user/file`, "");
      m.must(["chown", "-R", "4001", `${J}/${place}/of-user`]);
      expect(prune()).toMatchObject([["user-files", expect.stringContaining(`${place}/of-user`)]]);
      m.remove(`${J}/${place}/of-user`);
      expect([prune(), m.exists(J)]).toEqual([[], false]);
    },
  );

  test("stays as it is after what the error advises", () => {
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply"]);
    m.must(["install", "-D", "/etc/hostname", `${J}/srv/git/HEAD`]);
    m.write(FILE, "");
    const [, forget = "false"] = /with: (jailkit forget .*)$/.exec(`${prune()[0]?.[1]}`) ?? [];
    m.must(["sh", "-c", forget]);
    expect([prune(), m.exists(`${J}/srv/git/HEAD`), m.exists(`${J}/etc/passwd`)]).toEqual([[], true, true]);
    m.remove(J);
  });

  test("goes with what its record knows, and with the homes of its users, whoever has made files there", () => {
    m.write("/srv/tool", "copied");
    m.write(FILE, `${JAIL}files = /srv/tool\n[user bob]\njail = ${J}\nshell = /bin/bash\n`);
    m.must(["jailkit", "apply"]);
    m.must(["sh", "-c", `echo root >${J}/home/bob/of-root`]);
    expect(m.exists(`${J}/srv/tool`)).toBe(true);
    m.write(FILE, "");
    expect([prune("--delete-homes"), m.exists(J)]).toEqual([[], false]);
    m.remove("/srv/tool");
  });

  test.each(["/files", "/web/site", "/web/a/site"])(
    "goes with a home of its user in any place: %s",
    (home) => {
      const place = J + home;
      const declared = `${JAIL}[user bob]\njail = ${J}\nhome = ${home}\nshell = /bin/bash\n`;
      for (const first of [[], ["--delete-homes"]]) {
        m.write(FILE, declared);
        m.must(["jailkit", "apply"]);
        m.must(["sh", "-c", `echo root >${place}/of-root`]);
        m.write(FILE, "");
        expect(prune(...first)).toEqual([]);
        expect(m.exists(place)).toBe(first.length === 0);
        expect([prune("--delete-homes"), m.exists(J)]).toEqual([[], false]);
      }
      m.write(FILE, declared);
      m.must(["jailkit", "apply"]);
      // With nobody in it.
      m.write(FILE, JAIL);
      m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
      expect([m.exists(place), m.exists(`${J}/${home.split("/")[1]}`)]).toEqual([false, home !== "/files"]);
      m.write(FILE, "");
      expect([prune(), m.exists(J)]).toEqual([[], false]);
    },
  );

  test.each([
    ["/files", "docs"],
    ["/web/site", "web/other"],
  ])("stays with something in a place like that of a home of its user: %s", (home, path) => {
    m.write(FILE, `${JAIL}[user bob]\njail = ${J}\nhome = ${home}\nshell = /bin/bash\n`);
    m.must(["jailkit", "apply"]);
    m.must(["install", "-D", "/etc/hostname", `${J}/${path}`]);
    m.write(FILE, "");
    const holds = [["holds-other-things", expect.stringContaining(`such as '${path}'`)]];
    expect([prune("--delete-homes"), m.exists(J + home)]).toEqual([holds, false]);
    m.remove(`${J}/${path}`);
    expect([prune(), m.exists(J)]).toEqual([[], false]);
  });

  test("goes though it was one of 2.23, which jailkit adopt has taken over", () => {
    m.must(["jk_init", "-j", J, "uidbasics", "basicshell", "scp"]);
    m.must(["jailkit", "forget", J]);
    m.must(["jailkit", "adopt", J]);
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply"]);
    m.write(FILE, "");
    expect([prune(), m.exists(J)]).toEqual([[], false]);
  });

  test("stays if somebody has nested directories without end, and a link leads nowhere", () => {
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply"]);
    m.must(["mkdir", "/precious"]);
    m.write("/precious/file", "mine");
    m.must([
      "sh",
      "-c",
      `mkdir ${J}/srv; ln -s /precious ${J}/srv/link; cd ${J}/srv; i=0; while [ $i -lt 300 ]; do mkdir d; cd -P d; i=$((i+1)); done`,
    ]);
    m.write(FILE, "");
    expect(prune()).toMatchObject([["holds-other-things", expect.stringContaining("such as 'srv/d/d/d")]]);
    m.must(["rm", "-rf", `${J}/srv/d`]);
    expect([prune(), m.exists(J), m.read("/precious/file")]).toEqual([[], false, "mine"]);
    m.remove("/precious");
  });
});

describe("a directory of the system", () => {
  afterEach(() => m.write(FILE, ""));

  test.each([
    ["/etc/ssh", "moduli"],
    ["/usr/share/perl5", undefined],
    ["/var/lib/dpkg", undefined],
  ])("with other things in it, %s, becomes no jail, by apply and config check", (path, other) => {
    m.write(FILE, `[jail ${path}]\nsections = uidbasics, basicshell\n`);
    const before = m.list(path);
    for (const options of [["--check"], []]) {
      const { status, changes, summary } = linesOf(m, ...options);
      expect([status, changes, summary.problems.map(({ code }) => code)]).toEqual([
        1,
        [],
        ["holds-other-things"],
      ]);
      expect(summary.problems[0]?.message).toContain(
        `jail ${path}: it is a directory of the system with other things in it, such as '${other ?? ""}`,
      );
      expect(summary.problems[0]?.line).toBe(1);
    }
    expect(m.list(path)).toEqual(before);
    expect(m.run(["jailkit", "config", "check"]).stdout).toContain(
      `1:7: error: '${path}' is a directory of the system with other things in it, such as '`,
    );
  });

  test("another one that has other things, and no sections: by apply and config check another one is to be named", () => {
    const [mine, other] = ["/srv/plain", "/srv/other"];
    const declared = (path: string, lines = "") =>
      `[jail ${path}]\n${lines}[user pat]\njail = ${path}\nexecutables = /usr/bin/tac\n`;
    m.write(`${mine}/letter`, "");
    m.write(FILE, declared(mine));
    const why = `'${mine}' has other things in it, such as 'letter', and nothing of a jail: name another directory`;
    expect(m.run(["jailkit", "config", "check"]).stdout).toContain(
      `${FILE}:3:8: error: ${why} [not-in-jail]`,
    );
    expect(linesOf(m).summary.problems[0]?.message).toBe(`jail ${mine}: ${why}`);
    // As it says, and what the next run says.
    m.write(FILE, declared(other));
    expect(linesOf(m).summary.problems[0]?.message).toEndWith(
      "it does not exist, and no sections, files or live directories are declared to create it",
    );
    m.write(FILE, declared(other, "sections = uidbasics\n"));
    expect(linesOf(m).status).toBe(0);
    expect(m.list(mine)).toEqual(["letter"]);
    m.write(FILE, "");
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  });

  test("is a jail if it is empty, and stays one; so is another directory with other things in it", () => {
    m.write("/srv/site/index.html", "");
    for (const path of ["/var/lib/customer", "/srv/site"]) {
      m.write(FILE, `[jail ${path}]\nsections = uidbasics, basicshell\n`);
      m.must(["jailkit", "apply"]);
      m.write(`${path}/note`, "");
      expect(linesOf(m)).toMatchObject({ status: 0, changes: [] });
      expect(m.run(["jailkit", "config", "check"]).stdout).not.toContain("directory of the system");
      m.write(FILE, "");
      m.must(["jailkit", "forget", path]);
      m.remove(path);
    }
  });
});

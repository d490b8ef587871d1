/** A home that holds the home of another account is not moved: that would go along, and be in a jail. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/jail";
const FILE = "/etc/jailkit/jails.d/one.ini";
let m: Machine;

const homeOf = (name: string) =>
  m
    .read("/etc/passwd")
    .split("\n")
    .find((line) => line.startsWith(`${name}:`))
    ?.split(":")[5];

/** An account with a file in its home. */
function add(name: string, home: string, uid: number): void {
  m.must(["useradd", "-M", "-o", "-u", `${uid}`, "-d", home, "-s", "/bin/bash", name]);
  m.mkdir(home, { owner: [uid, uid] });
  m.write(`${home}/of-${name}`, name, { owner: [uid, uid] });
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", JAIL, "basicshell"]);
  m.mkdir("/elsewhere");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/elsewhere"]);
});
afterAll(() => m?.close());

let next = 6000;

/** Two accounts: the home of the second is in that of the first, or is said to be at `other`. */
function pair(above: string, { inside = "/deep/inner", uid = 0, other = "" } = {}) {
  const number = next++;
  const [outer, inner] = [`outer${number}`, `inner${number}`];
  const home = `${above}/${outer}`;
  add(outer, home, number);
  m.must(["mkdir", "-p", `${home}${inside}`]);
  add(inner, `${home}${inside}`, uid === 0 ? number + 1000 : number);
  if (other !== "") m.must(["usermod", "-d", `${other}${inside}`, inner]);
  const named = `${other || home}${inside}`;
  return { outer, inner, home, innerHome: `${home}${inside}`, named };
}

type Pair = ReturnType<typeof pair>;

const along = ({ home, inner, named }: Pair) =>
  `has the home '${home}', which holds that of '${inner}', '${named}': it would move along; give '${inner}' another home first, outside of it`;

describe("jk_jailuser -m", () => {
  test.each<[string, () => Pair]>([
    ["moves by a rename", () => pair("/home")],
    ["moves by a copy", () => pair("/elsewhere")],
    ["has one of the same uid in it", () => pair("/home", { uid: 1 })],
    [
      "has one in it by a symbolic link",
      () => {
        m.must(["ln", "-sfn", `/home/outer${next}`, "/people"]);
        return pair("/home", { other: "/people" });
      },
    ],
    [
      "is named by a symbolic link itself",
      () => {
        const two = pair("/home");
        m.must(["ln", "-s", "/home", `/linked${two.outer}`]);
        m.must(["usermod", "-d", `/linked${two.outer}/${two.outer}`, two.outer]);
        return { ...two, home: `/linked${two.outer}/${two.outer}` };
      },
    ],
  ])("a home that %s", (_, make) => {
    const two = make();
    for (const more of [["--dry-run"], []]) {
      const { status, stderr } = m.run(["jk_jailuser", "-n", "-m", ...more, "-j", JAIL, two.outer]);
      expect([status, stderr]).toEqual([1, `jk_jailuser: '${two.outer}' ${along(two)}\n`]);
    }
    expect([homeOf(two.outer), m.read(`${two.innerHome}/of-${two.inner}`)]).toEqual([two.home, two.inner]);
    // As it says.
    m.must(["mkdir", "-p", "/others"]);
    m.must(["usermod", "-m", "-d", `/others/${two.inner}`, two.inner]);
    expect(m.run(["jk_jailuser", "-n", "-m", "-j", JAIL, two.outer]).status).toBe(0);
    expect(m.read(`/others/${two.inner}/of-${two.inner}`)).toBe(two.inner);
    expect(m.read(`${JAIL}${two.home}/of-${two.outer}`)).toBe(two.outer);
  });

  test("a home that another account has, too", () => {
    const number = next++;
    add(`one${number}`, "/home/both", number);
    m.must(["useradd", "-M", "-o", "-u", `${number}`, "-d", "/home/both/", `two${number}`]);
    const { status, stderr } = m.run(["jk_jailuser", "-n", "-m", "-j", JAIL, `one${number}`]);
    expect([status, stderr]).toEqual([
      1,
      `jk_jailuser: 'one${number}' has the home '/home/both', which is that of 'two${number}', too: it would move along; give 'two${number}' another home first\n`,
    ]);
    m.must(["jk_jailuser", "-n", "-j", JAIL, `two${number}`]);
    expect(m.run(["jk_jailuser", "-n", "-m", "-j", JAIL, `one${number}`]).status).toBe(0);
    expect(m.read(`${JAIL}/home/both/of-one${number}`)).toBe(`one${number}`);
  });

  test("a home into which that of another account is a symbolic link", () => {
    const two = pair("/home");
    m.must(["ln", "-s", two.innerHome, `/home/${two.inner}`]);
    m.must(["usermod", "-d", `/home/${two.inner}`, two.inner]);
    const { status, stderr } = m.run(["jk_jailuser", "-n", "-m", "-j", JAIL, two.outer]);
    const said = along({ ...two, named: `/home/${two.inner}` });
    expect([status, stderr]).toEqual([1, `jk_jailuser: '${two.outer}' ${said}\n`]);
  });

  describe("accounts of another name service", () => {
    let nsswitch: string;
    beforeAll(() => {
      nsswitch = m.read("/etc/nsswitch.conf");
      m.write("/etc/nsswitch.conf", nsswitch.replace(/^passwd:.*$/m, "passwd: files extrausers"));
    });
    afterAll(() => m.write("/etc/nsswitch.conf", nsswitch));

    test.each([
      ["just below", ""],
      ["deeper, below directories of others", "/web/roots/a b"],
    ])("a home in which one has its own, %s", (_, above) => {
      const number = next++;
      const outer = `outer${number}`;
      const home = `/home/${outer}`;
      add(outer, home, number);
      m.write("/var/lib/extrausers/passwd", `far:x:8001:8001::${home}${above}/far:/bin/sh\n`);
      m.mkdir(`${home}/web`, { owner: [number, number] });
      m.mkdir(`${home}/web/roots`);
      m.mkdir(`${home}/web/roots/a b`, { owner: [8002, 8002] });
      m.mkdir(`${home}${above}/far`, { owner: [8001, 8001] });
      m.must(["runuser", "-u", outer, "--", "ln", "-s", "/", `${home}/web/up`]);
      const move = (...more: string[]) => m.run(["jk_jailuser", "-n", "-m", ...more, "-j", JAIL, outer]);
      for (const more of [["--dry-run"], []]) {
        const { status, stderr } = move(...more);
        expect([status, stderr]).toEqual([
          1,
          expect.stringContaining(`that of 'far', '${home}${above}/far'`),
        ]);
      }
      m.rename(`${home}${above}/far`, "/home/far");
      expect(move()).toMatchObject({ status: 0 });
      m.remove("/home/far");
    });

    test("a user who makes too much to look at is told, and the rest helps", () => {
      const number = next++;
      const outer = `outer${number}`;
      const home = `/home/${outer}`;
      add(outer, home, number);
      // As in a home with containers.
      const script = `import os\nfor i in range(1, 1002):\n d = f"${home}/many/{i}"\n os.makedirs(d)\n os.chown(d, 100000 + i, 0)`;
      m.must(["python3", "-c", script]);
      const { status, stderr } = m.run(["jk_jailuser", "-n", "-m", "-j", JAIL, outer]);
      expect([status, stderr]).toEqual([
        1,
        `jk_jailuser: '${home}' holds directories of more than 1000 uids: too many to look for homes of other accounts, which would go along; put some of them elsewhere first\n`,
      ]);
      m.write(FILE, `[user ${outer}]\njail = ${JAIL}\nshell = /bin/bash\nhome = ${home}\n`);
      const { changes, summary } = linesOf(m, "--check");
      expect([changes, summary.problems.map(({ code }) => code)]).toEqual([[], ["home-too-large"]]);
      // As it says.
      m.must(["mv", `${home}/many/1`, "/srv"]);
      expect(linesOf(m)).toMatchObject({ status: 0, summary: { changed: 1, failed: 0 } });
      m.remove(FILE);
    });
  });

  describe("a home that somebody moved from its place", () => {
    const moves = (two: Pair, said: string) => {
      for (const more of [["--dry-run"], []]) {
        const { status, stderr } = m.run(["jk_jailuser", "-n", "-m", ...more, "-j", JAIL, two.outer]);
        expect([status, stderr]).toEqual([1, `jk_jailuser: '${two.outer}' ${said}\n`]);
      }
    };

    test.each<[string, (two: Pair) => void]>([
      ["in the other one", () => undefined],
      [
        "in the other one, into which a symbolic link leads",
        ({ inner, innerHome }) => {
          m.must(["ln", "-s", innerHome, `/home/${inner}`]);
          m.must(["usermod", "-d", `/home/${inner}`, inner]);
        },
      ],
    ])("%s, counts", (_, name) => {
      const two = pair("/home", { inside: "/inner" });
      name(two);
      m.must(["mv", two.innerHome, `${two.home}/.x`], { user: two.outer });
      moves(two, along({ ...two, named: homeOf(two.inner) ?? "" }));
      expect(m.read(`${two.home}/.x/of-${two.inner}`)).toBe(two.inner);
    });

    test.each(["/home", "/elsewhere"])(
      "from a directory of both into the other one counts, in %s",
      (above) => {
        const two = pair(above, { inside: "/inner" });
        const shared = `${above}/shared${two.outer}`;
        m.mkdir(shared, { mode: 0o777 });
        m.rename(two.innerHome, `${shared}/${two.inner}`);
        m.must(["usermod", "-d", `${shared}/${two.inner}`, two.inner]);
        // By its mode, others may move it to another directory, too.
        m.must(["chmod", "0777", `${shared}/${two.inner}`]);
        m.must(["mv", `${shared}/${two.inner}`, `${two.home}/.x`], { user: two.outer });
        moves(
          two,
          `has the home '${two.home}', which holds '${two.home}/.x' of '${two.inner}', whose home '${shared}/${two.inner}' is not there: it would move along; move it out of the home first`,
        );
        // As it says. Another directory of that account moves along, as what a server has written there.
        m.rename(`${two.home}/.x`, `${shared}/${two.inner}`);
        m.mkdir(`${two.home}/uploads`, { owner: [Number(m.must(["id", "-u", two.inner]).stdout), 0] });
        expect(m.run(["jk_jailuser", "-n", "-m", "-j", JAIL, two.outer]).status).toBe(0);
        expect(m.exists(`${JAIL}${two.home}/uploads`)).toBe(true);
      },
    );

    test.each(["/home", "/elsewhere"])(
      "counts behind a link of its neighbour's, and after root has closed the directory above, in %s",
      (above) => {
        const two = pair(above, { inside: "/inner" });
        const hidden = (path: string) =>
          `has the home '${two.home}', which holds '${path}' of '${two.inner}', whose home '${two.named}' is not there: it would move along; move it out of the home first`;
        m.must(["sh", "-c", `cd ${two.home} && mv inner .x && ln -s /etc inner`], { user: two.outer });
        moves(two, hidden(`${two.home}/.x`));
        const named = `${above}/shared${two.outer}/sub/${two.inner}`;
        m.mkdir(`${above}/shared${two.outer}`, { mode: 0o777 });
        m.must(["sh", "-c", `cd ${two.home} && mkdir -p ${named} && mv .x/* ${named} && rm -r .x inner`]);
        m.must(["chown", two.inner, named]);
        m.must(["chown", two.outer, `${above}/shared${two.outer}/sub`]);
        m.must(["usermod", "-d", named, two.inner]);
        two.named = named;
        m.must(["mv", `${above}/shared${two.outer}/sub`, `${two.home}/y`], { user: two.outer });
        m.must(["chmod", "0755", `${above}/shared${two.outer}`]);
        moves(two, hidden(`${two.home}/y/${two.inner}`));
        expect(m.read(`${two.home}/y/${two.inner}/of-${two.inner}`)).toBe(two.inner);
      },
    );

    test.each(["/home", "/elsewhere"])("into the other one during the run counts, in %s", async (above) => {
      const two = pair(above, { inside: "/inner" });
      const shared = `${above}/shared${two.outer}`;
      m.mkdir(shared, { mode: 0o777 });
      m.rename(two.innerHome, `${shared}/${two.inner}`);
      m.must(["usermod", "-d", `${shared}/${two.inner}`, two.inner]);
      const stops = { calls: ["mkdirat"], paths: [] };
      const swap = `[ -d ${two.home} ] && mv ${shared}/${two.inner} ${two.home}/.x`;
      const argv = ["jk_jailuser", "-n", "-m", "-j", JAIL, two.outer];
      const { status, stderr } = await runWithStops(m, argv, stops, () => {
        m.run(["sh", "-c", swap]);
      });
      expect([status, stderr]).toEqual([1, expect.stringContaining(`of '${two.inner}', whose home`)]);
      expect(homeOf(two.outer)).toBe(two.home);
      expect(m.read(`${two.home}/.x/of-${two.inner}`)).toBe(two.inner);
    });
  });

  test("homes that only look alike do not count", () => {
    const number = next++;
    add(`a${number}`, `/home/a${number}`, number);
    add(`aa${number}`, `/home/a${number}-more`, number + 1000);
    expect(m.run(["jk_jailuser", "-n", "-m", "-j", JAIL, `a${number}`]).status).toBe(0);
    expect(m.exists(`/home/a${number}-more/of-aa${number}`)).toBe(true);
  });

  test("--unjail: the home of another user of the jail stays there", () => {
    const two = pair("/home");
    m.rename(two.innerHome, "/home/aside");
    m.must(["usermod", "-d", "/home/aside", two.inner]);
    m.must(["jk_jailuser", "-n", "-m", "-j", JAIL, two.outer]);
    m.rename("/home/aside", `${JAIL}${two.innerHome}`);
    m.must(["usermod", "-d", two.innerHome, two.inner]);
    m.must(["jk_jailuser", "-n", "-j", JAIL, two.inner]);
    expect(m.read(`${JAIL}${two.innerHome}/of-${two.inner}`)).toBe(two.inner);
    const { status, stderr } = m.run(["jk_jailuser", "-n", "-m", "--unjail", two.outer]);
    const said = along({ ...two, home: `${JAIL}${two.home}`, named: `${JAIL}/.${two.innerHome}` });
    expect([status, stderr]).toEqual([1, `jk_jailuser: '${two.outer}' ${said}\n`]);
    expect(m.exists(`${JAIL}${two.innerHome}/of-${two.inner}`)).toBe(true);
  });

  describe("--unjail: what another user of the jail has in a directory there", () => {
    const unjail = (name: string) => ["jk_jailuser", "-n", "-m", "--unjail", name];

    /** Two users of the jail; the second has a directory with content at `place`. */
    function neighbours(place: (outer: string) => string) {
      const [outer, inner] = [`outer${next}`, `inner${next}`];
      for (const name of [outer, inner]) {
        add(name, `/home/${name}`, next++);
        m.must(["jk_jailuser", "-n", "-m", "-j", JAIL, name]);
      }
      const directory = JAIL + place(outer);
      m.must(["install", "-d", "-m", "0777", `${JAIL}/srv/shared`]);
      m.must(["install", "-d", "-o", inner, "-m", "0700", directory]);
      m.must(["install", "-o", inner, "/etc/hostname", `${directory}/db`]);
      const said = `'${outer}' has the home '${JAIL}/home/${outer}', but the directory '${JAIL}/home/${outer}/p' of '${inner}' is in it: it would move along; move it out of the home first`;
      return { outer, inner, directory, said };
    }

    test("stays, until it is moved as the message says", () => {
      const { outer, directory, said } = neighbours((name) => `/home/${name}/p`);
      for (const more of [["--dry-run"], []]) {
        const { status, stderr } = m.run([...unjail(outer), ...more]);
        expect([status, stderr]).toEqual([1, `jk_jailuser: ${said}\n`]);
      }
      expect([homeOf(outer), m.exists(`${directory}/db`)]).toEqual([`${JAIL}/./home/${outer}`, true]);
      m.must(["mv", directory, `${JAIL}/srv/${outer}`]);
      expect(m.run(unjail(outer)).status).toBe(0);
      expect([homeOf(outer), m.read(`/home/${outer}/of-${outer}`)]).toEqual([`/home/${outer}`, outer]);
    });

    test("stays, if it comes during the run", async () => {
      const { outer, directory, said } = neighbours((name) => `/srv/shared/${name}`);
      const enter = `ls -d /home/.jk-home-* && mv ${directory} ${JAIL}/home/${outer}/p`;
      const { status, stderr } = await runWithStops(m, unjail(outer), { calls: ["mkdirat"] }, () => {
        m.run(["sh", "-c", enter]);
      });
      expect([status, stderr]).toEqual([1, `jk_jailuser: ${said}\n`]);
      expect([homeOf(outer), m.exists(`${JAIL}/home/${outer}/p/db`)]).toEqual([
        `${JAIL}/./home/${outer}`,
        true,
      ]);
    });
  });
});

describe("jailkit apply", () => {
  const declared = (name: string, home: string) =>
    `[user ${name}]\njail = ${JAIL}\nshell = /bin/bash\nhome = ${home}\n`;

  test("refuses with the same words as config check and apply --check, and nothing is changed", () => {
    const two = pair("/srv");
    m.write(FILE, declared(two.outer, two.home));
    const { findings } = reportOf(
      configReportSchema,
      m.run(["jailkit", "config", "check", "--json", FILE]).stdout,
    );
    expect(findings.map(({ code, message }) => [code, message])).toEqual([
      ["holds-home", `'${two.outer}' ${along(two)}`],
    ]);
    for (const more of [["--check"], []]) {
      const { status, changes, summary } = linesOf(m, ...more);
      expect([status, changes]).toEqual([1, []]);
      expect(summary.problems.map(({ code, message }) => [code, message])).toEqual([
        ["holds-home", `user ${two.outer}: ${along(two)}`],
      ]);
    }
    expect([homeOf(two.outer), m.read(`${two.innerHome}/of-${two.inner}`)]).toEqual([two.home, two.inner]);
    m.must(["usermod", "-m", "-d", `/others/${two.inner}`, two.inner]);
    expect(linesOf(m)).toMatchObject({ status: 0, summary: { changed: 1, failed: 0 } });
    expect(m.read(`/others/${two.inner}/of-${two.inner}`)).toBe(two.inner);
    m.remove(FILE);
  });

  test("an account whose home is the jail itself moves nothing", () => {
    m.must(["useradd", "-M", "-d", JAIL, "-s", "/bin/bash", "site"]);
    m.write(FILE, declared("site", "/home/site"));
    expect(m.run(["jailkit", "config", "check", FILE])).toMatchObject({ status: 0 });
    expect(linesOf(m)).toMatchObject({ status: 0, summary: { changed: 1, failed: 0 } });
    expect(homeOf("site")).toBe(`${JAIL}/./home/site`);
    m.remove(FILE);
  });
});

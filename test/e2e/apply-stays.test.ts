/** `jailkit apply --prune`: what stays, and why, is known before, and sessions that go on are told. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const OTHER = "[jail /srv/other]\nsections = uidbasics, basicshell\n";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const BOB = `[user bob]\njail = ${J}\nshell = /bin/bash\n`;

let m: Machine;

function declare(text: string): void {
  m.write(FILE, OTHER + text);
  m.must(["jailkit", "apply"]);
}

/** Status, lines and problems of a run; --check has the same. */
function outcome(...options: readonly string[]) {
  const check = linesOf(m, "--check", ...options);
  const { status, changes, summary } = linesOf(m, ...options);
  const lines = changes.map(({ text }) => text);
  expect(check.changes.map(({ text }) => text)).toEqual(lines);
  expect([check.status, check.summary.problems]).toEqual([lines.length > 0 ? 10 : status, summary.problems]);
  return { status, lines, problems: summary.problems.map(({ code, message }) => [code, message]) };
}

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  declare(`${JAIL}${BOB}`);
  m.write(FILE, OTHER);
});
afterAll(() => m?.close());

describe("a jail", () => {
  test("in which a home is left stays, by the plan and the run, until somebody takes the files out", () => {
    const text = (forget: string) =>
      `jail ${J}: is not declared any more, and stays with what earlier runs left in it ('${J}/home/bob'): to delete both: jailkit apply --prune --delete-homes; to keep them as they are: ${forget}jailkit forget ${J}`;
    const [stays, leaves] = [text(""), text("jailkit apply --prune && ")];
    const warnings = (...options: readonly string[]) => linesOf(m, ...options).summary.warnings;
    expect([warnings("--check", "--prune"), outcome("--prune")]).toEqual([
      [leaves],
      {
        ...{ status: 0, problems: [] },
        lines: [expect.stringMatching(/^- user bob: account but not its home .* \(no longer declared\)$/)],
      },
    ]);
    for (const options of [[], ["--prune"], ["--check", "--prune"], ["--prune"]] as const) {
      const { status, changes, summary } = linesOf(m, ...options);
      expect([status, changes, summary.warnings, summary.noLongerDeclared]).toEqual([0, [], [stays], []]);
    }
    const [, remove = "false", forget = "false"] =
      /: (jailkit apply .*); to keep them as they are: (.*)$/.exec(stays) ?? [];
    // Not what is beside the home, nor the home of an account that has the uid by now.
    m.must([
      "install",
      "-o",
      m.must(["stat", "-c", "%u", `${J}/home/bob`]).stdout.trim(),
      "/etc/hostname",
      `${J}/srv-of-bob`,
    ]);
    expect(linesOf(m, "--prune", "--delete-homes").summary.problems).toMatchObject([{ code: "user-files" }]);
    expect(m.exists(`${J}/home/bob`)).toBe(true);
    m.remove(`${J}/srv-of-bob`);
    m.must(["sh", "-c", `useradd -M -u $(stat -c %u ${J}/home/bob) late`]);
    expect(outcome("--prune", "--delete-homes")).toMatchObject({ status: 0, lines: [], problems: [] });
    expect(warnings("--prune")[0]).toContain(`to delete both: jailkit delete --user-files ${J};`);
    m.must(["userdel", "late"]);
    const planned = `- jail ${J}: jail and the homes that stayed in it: ${J}/home/bob (no longer declared)`;
    expect(linesOf(m, "--check", "--prune", "--delete-homes").changes.map(({ text }) => text)).toEqual([
      planned,
    ]);
    m.must(["sh", "-c", remove]);
    expect([m.exists(J), outcome("--prune"), warnings("--prune")]).toEqual([
      ...[false, { status: 0, lines: [], problems: [] }, []],
    ]);
    // The other way, with the same jail again.
    declare(`${JAIL}${BOB}`);
    m.write(FILE, OTHER);
    expect(outcome("--prune")).toMatchObject({ status: 0, problems: [] });
    m.must(["sh", "-c", forget]);
    expect([outcome("--prune"), warnings("--prune"), m.exists(`${J}/home/bob`)]).toEqual([
      ...[{ status: 0, lines: [], problems: [] }, [], true],
    ]);
    m.remove(J);
  });

  describe("with a home that was left", () => {
    const NOTE = /: to delete both: (.*); to keep them as they are: (.*)$/;
    const COMMANDS = ["to delete both", "to keep them"];
    const notes = (...options: readonly string[]) => linesOf(m, ...options).summary.warnings;
    // The deletion of files of users asks.
    const type = (command: string) => m.must(["sh", "-c", `yes | { ${command}; }`]);
    const live = `[user vera]\njail = ${J}\nshell = /bin/bash\n`;
    const makeHome = (path: string, uid: string) => m.must(["install", "-d", "-o", uid, `${J}/${path}`]);

    beforeEach(() => {
      m.must(["jailkit", "apply", "--prune"]);
    });
    afterEach(() => {
      m.run(["userdel", "vera"]);
      m.run(["jailkit", "forget", "--with-users", J]);
      m.remove(J);
    });

    test.each([
      ["of a user", () => makeHome("home/other", "4242"), "user-files", `${J}/home/other`],
      [
        "of root",
        () => m.must(["install", "-D", "/etc/hostname", `${J}/srv/repo/f`]),
        "holds-other-things",
        "'srv/repo/f'",
      ],
    ])("and something else, %s, stays, which is an error that names it", (_, make, code, what) => {
      expect(notes("--check", "--prune")[0]).toMatch(NOTE);
      make();
      for (const options of [["--prune"], ["--prune", "--delete-homes"]]) {
        const { status, problems } = outcome(...options);
        expect([status, problems, notes("--check", ...options)]).toEqual([
          ...[1, [[code, expect.stringContaining(what)]], []],
        ]);
      }
      const { status, summary } = linesOf(m);
      expect([status, summary.warnings, summary.noLongerDeclared]).toEqual([
        ...[0, [expect.stringContaining(what)], []],
      ]);
      expect(m.exists(`${J}/home/bob`)).toBe(true);
    });

    test.each([[0], [1]])(
      "and a user who is not declared any more: what the plan says is accepted (%d)",
      (which) => {
        m.write(FILE, `${OTHER}${JAIL}${live}`);
        m.must(["jailkit", "apply"]);
        m.write(FILE, OTHER);
        const plain = linesOf(m).summary;
        expect([plain.warnings, plain.noLongerDeclared]).toEqual([
          [expect.stringMatching(NOTE)],
          ["user vera"],
        ]);
        const command = NOTE.exec(notes("--check", "--prune")[0] ?? "")?.[which + 1] ?? "false";
        type(command);
        expect([m.exists(`${J}/home/vera`), notes("--prune"), m.run(["id", "vera"]).status]).toEqual([
          ...[which === 1, [], 1],
        ]);
      },
    );

    test.each(COMMANDS.map((title, which) => ({ title, which })))(
      "and one whose uid somebody has by now, in a file of its own: $title",
      ({ which }) => {
        const [ofJail, ofUser] = ["/root/jail.ini", "/root/user.ini"];
        m.write(ofJail, JAIL);
        m.write(ofUser, live);
        m.must(["jailkit", "apply", ofJail, ofUser]);
        for (const file of [ofJail, ofUser]) m.write(file, "");
        m.must(["sh", "-c", `useradd -M -u $(stat -c %u ${J}/home/bob) late`]);
        const said = notes("--check", "--prune", ofJail, ofUser).find((line) => NOTE.test(line)) ?? "";
        const leave = `jailkit apply --prune ${ofJail} ${ofUser} && `;
        const commands = [`${leave}jailkit delete --user-files ${J}`, `${leave}jailkit forget ${J}`];
        expect(NOTE.exec(said)?.slice(1)).toEqual(commands);
        type(`${commands[which]}`);
        expect([m.exists(J), m.run(["id", "vera"]).status]).toEqual([which === 1, 1]);
        m.must(["userdel", "late"]);
        for (const file of [ofJail, ofUser]) m.remove(file);
      },
    );

    test("and a user who was made by a command: nothing is advised that is refused", () => {
      m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "vera"]);
      const plain = linesOf(m).summary;
      const text = `jail ${J}: is not declared any more, and stays: users live in it whom --prune does not take out (vera)`;
      expect([plain.warnings, plain.noLongerDeclared]).toEqual([[text], []]);
      const { status, problems } = outcome("--prune");
      expect([status, problems.map(([code]) => code)]).toEqual([1, ["has-users"]]);
      const [problem] = linesOf(m, "--prune").summary.problems;
      const leave = "jk_jailuser --unjail -m -s /usr/sbin/nologin vera";
      expect([problem?.remedy, problem?.message]).toEqual([
        leave,
        expect.stringContaining(`; or take them out first: ${leave}`),
      ]);
      const forget = m.run(["jailkit", "forget", "--json", J]);
      expect(JSON.parse(forget.stdout).problems).toMatchObject([
        { code: "has-users", remedy: leave.replace(" -m", "") },
      ]);
      type(leave);
      expect(linesOf(m, "--prune").summary.problems).toEqual([]);
    });
  });

  describe("that a user is still to leave, with something else in it", () => {
    const type = (command: string) => m.must(["sh", "-c", `yes | { ${command}; }`]);

    test.each([
      ["of root", "root", "holds-other-things"],
      ["of another user", "4242", "user-files"],
    ])("(%s): what --check advises is accepted, before and after the run", (_, owner, code) => {
      for (const options of [["--check"], []]) {
        declare(`${JAIL}${BOB}`);
        m.must(["install", "-D", "-o", owner, "/etc/hostname", `${J}/srv/dumps/one`]);
        m.write(FILE, OTHER);
        const [problem] = linesOf(m, "--prune", "--delete-homes", ...options).summary.problems;
        expect(problem?.code).toBe(code as "user-files");
        const message = problem?.message ?? "";
        const [, keep = "false"] =
          / as it is with: (jailkit apply --prune; jailkit forget [^;]*)/.exec(message) ?? [];
        const [, remove] = /, or delete them with: (jailkit apply --prune; .*)$/.exec(message) ?? [];
        expect(problem?.remedy).toBe(keep);
        type((options.length > 0 ? remove : undefined) ?? keep);
        const isRemoved = owner !== "root" && options.length > 0;
        expect([m.exists(`${J}/srv/dumps/one`), m.run(["id", "bob"]).status]).toEqual([!isRemoved, 1]);
        expect(outcome("--prune", "--delete-homes")).toEqual({ status: 0, lines: [], problems: [] });
        m.remove(J);
      }
    });
  });

  describe("with a home from a backup, which apply did not create,", () => {
    const CARL = `[user carl]\njail = ${J}\nshell = /bin/bash\nuid = 31000\n`;
    const home = `${J}/home/carl`;
    const prunes = ["--prune", "--delete-homes"] as const;
    /** The user leaves, and the jail. */
    const leave = (...options: readonly string[]) => {
      m.write(FILE, OTHER);
      return linesOf(m, ...options);
    };

    beforeEach(() => {
      declare(JAIL);
      m.must(["jailkit", "apply", ...prunes]);
      m.must(["install", "-d", "-o", "31000", "-g", "100", home]);
      m.must(["install", "-o", "31000", "-g", "100", "/etc/hostname", `${home}/saved`]);
      declare(JAIL + CARL);
    });
    afterEach(() => {
      m.run(["jailkit", "forget", "--with-users", J]);
      m.remove(J);
    });

    test.each([
      ["whose user leaves in the same run", () => undefined],
      ["whose user has left before", () => leave("--prune")],
      [
        "whose user has left, come back, and left again",
        () => {
          for (const options of [["--prune"], prunes]) {
            leave(...options);
            declare(JAIL + CARL);
          }
        },
      ],
    ])("stays: one %s", (_, before) => {
      before();
      m.write(FILE, OTHER);
      expect(outcome(...prunes)).toMatchObject({ status: 0, problems: [] });
      expect([m.run(["id", "carl"]).status, m.exists(`${home}/saved`)]).toEqual([1, true]);
      const { status, changes, summary } = linesOf(m, ...prunes);
      const note = `stays with what earlier runs left in it ('${home}'): to delete both: jailkit delete --user-files ${J};`;
      expect([status, changes, summary.warnings]).toEqual([0, [], [expect.stringContaining(note)]]);
    });

    test("stays without --delete-homes for the reason that is true", () => {
      const { changes } = leave("--prune");
      const stays = `the home '${home}' of uid 31000 stays: apply did not create it`;
      expect(changes.flatMap(({ warnings }) => warnings)).toEqual([stays]);
    });
  });

  test("in which a user is declared stays, and what the message says heals", () => {
    m.write(FILE, `${OTHER}${BOB}`);
    const text = `jail ${J}: is not declared any more, and stays: users are declared in it: declare the jail again, or move [user bob] (${FILE}:3) to another jail`;
    const plain = linesOf(m);
    expect([plain.status, plain.summary.warnings, plain.summary.noLongerDeclared]).toEqual([0, [text], []]);
    const keeps = { status: 1, lines: [], problems: [["has-users", text]] };
    for (let run = 0; run < 2; run++) expect(outcome("--prune")).toEqual(keeps);
    m.write(FILE, `${OTHER}${JAIL}${BOB}`);
    expect(outcome("--prune")).toEqual({ status: 0, lines: [], problems: [] });
  });

  test("that somebody has deleted stays with its users, until what the messages say was typed", () => {
    m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
    declare(`${JAIL}${BOB}[user dora]\njail = ${J}\nshell = /bin/bash\n`);
    m.write(FILE, OTHER);
    m.must(["rm", "-rf", J]);
    const lost = (name: string, leave: string) => [
      "no-such-jail",
      `user ${name}: is not declared any more, and stays: ${J}: no such directory; the jail is no longer there; if it was moved: jailkit adopt --moved ${J} NEW; if it was deleted: ${leave}`,
    ];
    const commands = ["jk_jailuser --unjail -m -s /usr/sbin/nologin bob", "jk_jailuser --unjail -m dora"];
    expect(outcome("--prune")).toMatchObject({
      ...{ status: 1, lines: [] },
      problems: [
        lost("bob", `${commands[0]}`),
        lost("dora", `${commands[1]}`),
        ["has-users", expect.anything()],
      ],
    });
    for (const command of commands) m.must(command.split(" "));
    expect(outcome("--prune")).toEqual({
      ...{ status: 0, problems: [], lines: [`- jail ${J} (no longer declared)`] },
    });
    expect(outcome("--prune")).toEqual({ status: 0, lines: [], problems: [] });
    expect(m.must(["getent", "passwd", "dora"]).stdout).toEndWith(":/home/dora:/bin/sh\n");
    m.must(["sh", "-c", "userdel bob; userdel dora"]);
  });

  test.each(["/mnt/disk", "/mnt/disk/jail"])(
    "whose file system is not mounted (%s) stays with its users, all by the same code, until what it says was typed",
    (jail) => {
      const text = `[jail ${jail}]\nsections = uidbasics, basicshell\n[user dora]\njail = ${jail}\nshell = /bin/bash\n`;
      for (const path of ["/backing", "/mnt/disk"]) m.mkdir(path);
      m.must(["sh", "-c", "echo '/backing /mnt/disk none bind 0 0' >>/etc/fstab && mount /mnt/disk"]);
      declare(`${JAIL}${BOB}${text}`);
      declare(`${JAIL}${BOB}`);
      m.must(["umount", "/mnt/disk"]);
      const options = ["--prune", "--delete-homes"] as const;
      const { problems } = linesOf(m, "--check", ...options).summary;
      expect(problems.map(({ path, code, remedy }) => [path, code, remedy])).toEqual([
        [jail, "not-mounted", "mount /mnt/disk"],
        ["dora", "waits-for-jail", null],
      ]);
      expect(outcome(...options)).toMatchObject({ status: 1, lines: [] });
      expect(m.run(["id", "dora"]).status).toBe(0);
      m.must(`${problems[0]?.remedy}`.split(" "));
      expect(outcome(...options)).toMatchObject({ status: 0, problems: [] });
      expect([m.run(["id", "dora"]).status, m.exists(`${jail}/etc`)]).toEqual([1, false]);
      m.must(["sh", "-c", "umount /mnt/disk; sed -i '/backing/d' /etc/fstab; rm -r /backing"]);
    },
  );

  describe.each([
    ["is empty", []],
    ["has a file", [".keep"]],
  ])(
    "whose file system is not mounted, and whose mount point, which /etc/fstab does not name, %s,",
    (_, there) => {
      const jail = "/mnt/zfs";
      const home = `${jail}/home/dora`;
      const text = `[jail ${jail}]\nsections = uidbasics, basicshell\n[user dora]\njail = ${jail}\nshell = /bin/bash\n`;
      const forget = `jailkit forget --with-users ${jail}`;
      const why = `another directory is there, with nothing of what the recorded one has: if that has a file system of its own, it is to be mounted; if the jail was deleted: ${forget}`;
      beforeEach(() => {
        for (const path of ["/backing", jail]) m.mkdir(path);
        for (const name of there) m.write(`${jail}/${name}`, "");
        m.must(["mount", "--bind", "/backing", jail]);
        declare(`${JAIL}${BOB}${text}`);
        m.must(["umount", jail]);
      });
      afterEach(() => {
        m.run(["umount", jail]);
        m.run(["jailkit", "forget", "--with-users", jail]);
        m.run(["userdel", "dora"]);
        for (const path of ["/backing", jail]) m.remove(path);
      });

      test("stays as it is, declared or not, until it is mounted", () => {
        expect(outcome()).toMatchObject({
          status: 1,
          lines: [],
          problems: [
            ["not-mounted", `jail ${jail}: ${why}`],
            ["waits-for-jail", expect.anything()],
          ],
        });
        m.write(FILE, OTHER + JAIL + BOB);
        expect(linesOf(m).summary.warnings).toEqual([
          `jail ${jail}: is not declared any more, and stays: ${why}`,
          expect.stringMatching(/^user dora: .* waits for the jail /),
        ]);
        for (const options of [["--prune"], ["--prune", "--delete-homes"]])
          expect(outcome(...options)).toMatchObject({
            ...{ status: 1, lines: [] },
            problems: [
              ["not-mounted", `jail ${jail}: is not declared any more, and stays: ${why}`],
              ["waits-for-jail", expect.anything()],
            ],
          });
        expect([m.run(["id", "dora"]).status, m.exists(jail), m.list(jail)]).toEqual([0, true, there]);
        m.must(["mount", "--bind", "/backing", jail]);
        expect(outcome("--prune", "--delete-homes")).toMatchObject({ status: 0, problems: [] });
        expect([m.run(["id", "dora"]).status, m.exists(`${jail}/etc`)]).toEqual([1, false]);
      });

      test("is told by the other tools, which leave it alone", () => {
        const [found] = JSON.parse(m.run(["jailkit", "list", "--json", jail]).stdout).jails;
        expect(found).toMatchObject({ state: "unmounted", reason: `${jail}: ${why}`, remedy: null });
        expect(m.run(["jk_check", jail]).stdout).toContain(`${jail}: ${why}`);
        expect(m.run(["jailkit", "status"]).stdout).toContain(`unmounted  ${jail}  jailkit list ${jail}\n`);
        for (const command of [
          ["jailkit", "delete", "--unjail", jail],
          ["jk_update", "-j", jail],
        ])
          expect(m.run(command)).toMatchObject({ status: 1, stderr: expect.stringContaining(why) });
        expect([m.run(["id", "dora"]).status, m.list(jail)]).toEqual([0, there]);
      });

      test("keeps the uids of those who were in it", () => {
        m.must(["mount", "--bind", "/backing", jail]);
        m.mkdir(`${jail}/data`);
        const uid = m.must(["id", "-u", "dora"]).stdout.trim();
        m.must(["sh", "-c", `touch ${jail}/data/hers && chown dora ${jail}/data/hers`]);
        m.write(FILE, OTHER + JAIL + BOB);
        linesOf(m, "--prune", "--delete-homes");
        expect(m.run(["id", "dora"]).status).toBe(1);
        m.must(["umount", jail]);
        m.write(FILE, `${OTHER}${JAIL}${BOB}[user eve]\njail = ${J}\nshell = /bin/bash\nuid = ${uid}\n`);
        expect(outcome()).toMatchObject({
          status: 1,
          problems: [["left-uid", expect.stringContaining(why)]],
        });
      });

      test("is the one that was restored from a backup, though that is another directory", () => {
        m.must(["sh", "-c", `cp -a /backing/. ${jail}`]);
        expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [] });
        expect(m.run(["jailkit", "list", jail]).stdout).toContain("ready");
      });

      test("is made anew when its record was dropped", () => {
        m.must(forget.split(" "));
        expect(linesOf(m)).toMatchObject({ status: 0 });
        expect(m.exists(home)).toBe(true);
      });
    },
  );

  test("goes with the homes of its users, which the plan knows", () => {
    expect(outcome("--prune", "--delete-homes")).toEqual({
      ...{ status: 0, problems: [] },
      lines: [
        `- user bob: account and its home ${J}/home/bob (no longer declared)`,
        `- jail ${J} (no longer declared)`,
      ],
    });
    expect(m.exists(J)).toBe(false);
  });

  test("stays with the home of a user who had it there before, by the plan and the run", () => {
    m.mkdir(`${J}/home/dora`);
    m.must(["useradd", "-M", "-d", `${J}/home/dora`, "-s", "/bin/sh", "dora"]);
    m.must(["chown", "dora:", `${J}/home/dora`]);
    declare(`${JAIL}[user dora]\njail = ${J}\nshell = /bin/bash\n`);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    m.write(FILE, OTHER);
    const out = `- user dora: entry in ${J} -> out of it (no longer declared)`;
    expect(outcome("--prune")).toMatchObject({ lines: [out], problems: [["user-files", expect.anything()]] });
    expect(m.must(["getent", "passwd", "dora"]).stdout).toEndWith(`:${J}/home/dora:/bin/sh\n`);
    expect(m.exists(`${J}/home/dora`)).toBe(true);
    m.must(["userdel", "-r", "dora"]);
    m.must(["jailkit", "apply", "--prune"]);
  });

  test("goes when a user has gone out with the home, and stays for a file that is elsewhere", () => {
    m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
    declare(`${JAIL}[user dora]\njail = ${J}\nshell = /bin/bash\n`);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    m.must(["install", "-d", "-o", "dora", `${J}/var/dora`]);
    m.write(FILE, OTHER);
    const out = `- user dora: entry in ${J} -> out of it, with its home (no longer declared)`;
    const kept = ["user-files", expect.stringContaining(`${J}/var/dora`)];
    expect(outcome("--prune")).toEqual({ status: 1, lines: [out], problems: [kept] });
    declare(`${JAIL}[user dora]\njail = ${J}\nshell = /bin/bash\n`);
    m.remove(`${J}/var/dora`);
    m.write(FILE, OTHER);
    expect(outcome("--prune")).toMatchObject({ status: 0, lines: [out, `- jail ${J} (no longer declared)`] });
    expect([m.exists(J), m.exists("/home/dora")]).toEqual([false, true]);
    m.must(["userdel", "-r", "dora"]);
  });
});

describe("sessions", () => {
  /** Starts a session, and ends it by the command of a message. */
  async function withSession(name: string, told: () => string): Promise<void> {
    const session = await sleeperOf(m, name);
    const text = told();
    const [, command = "false"] = /(jailkit terminate-user .*)$/.exec(text) ?? [];
    m.must(command.split(" "));
    await session.ended;
  }

  test("of an account that loses its line go on, and it is told what ends them", async () => {
    m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "guest"]);
    declare(`${JAIL}${BOB}[user guest]\njail = ${J}\nshell = /bin/bash\n`);
    m.write(FILE, OTHER + JAIL + BOB);
    await withSession("guest", () => {
      const { status, changes } = linesOf(m, "--prune");
      const warnings = changes[0]?.warnings ?? [];
      expect([status, warnings.length]).toEqual([0, 2]);
      expect(warnings[1]).toMatch(
        /^processes of 'guest' go on \(\d+\); end them with: jailkit terminate-user --uid=\d+$/,
      );
      return warnings[1] ?? "";
    });
    m.must(["sh", "-c", `userdel guest; rm -r ${J}/home/guest`]);
  });

  test("of one that is removed or taken out prevent it, with what ends them", async () => {
    m.write(FILE, OTHER + JAIL);
    await withSession("bob", () => linesOf(m, "--prune").summary.problems[0]?.message ?? "");
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done - user bob: account and its home ${J}/home/bob (no longer declared)`,
    ]);
    m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/sh" });
    declare(`${JAIL}[user dora]\njail = ${J}\nshell = /bin/bash\n`);
    m.write(FILE, OTHER + JAIL);
    await withSession("dora", () => linesOf(m, "--prune").summary.problems[0]?.message ?? "");
    expect(did(m, "--prune")).toHaveLength(1);
    m.must(["userdel", "-r", "dora"]);
  });
});

test("two declared paths of one directory are an error, and the jail stays when one of them is not declared any more", () => {
  const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell\n`;
  const file = (name: string) => `/etc/jailkit/jails.d/${name}.ini`;
  const problems = (...options: string[]) =>
    linesOf(m, ...options).summary.problems.map(({ code, path }) => [code, path]);
  m.mkdir("/data");
  m.mkdir("/mnt/b");
  m.must(["mount", "--bind", "/data", "/mnt/b"]);
  const before = m.read(FILE);
  m.write(FILE, "");
  m.write(file("alias"), jail("/mnt/b/k"));
  m.must(["jailkit", "apply"]);
  m.write(file("alone"), jail("/data/k"));
  m.write(file("yet"), jail("/data/new") + jail("/mnt/b/new"));
  const twice = [
    ["another-jail", "/data/k"],
    ["another-jail", "/data/new"],
    ["another-jail", "/mnt/b/new"],
  ];
  expect([problems("--check").sort(), problems().sort()]).toEqual([twice, twice]);
  m.write(file("yet"), jail("/data/new"));
  m.write(file("alias"), "");
  const stays = [
    ["another-jail", "/data/k"],
    ["another-jail", "/mnt/b/k"],
  ];
  expect([problems("--check", "--prune").sort(), problems("--prune").sort()]).toEqual([stays, stays]);
  expect(m.exists("/data/k/etc/passwd")).toBe(true);
  m.must(["umount", "/mnt/b"]);
  // The one record has the other path.
  m.must(["jailkit", "adopt", "--moved", "/mnt/b/k", "/data/k"]);
  expect(linesOf(m, "--prune").summary.problems).toEqual([]);
  expect(m.exists("/data/k/etc/passwd")).toBe(true);
  for (const name of ["alone", "yet"]) m.write(file(name), "");
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.exists("/data/k")).toBe(false);
  for (const name of ["alias", "alone", "yet"]) m.remove(file(name));
  m.write(FILE, before);
});

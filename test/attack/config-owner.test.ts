/**
 * No tool uses a config file that users other than root can change: one that belongs to a user, that a group can write,
 * or that is reached through a home. The remedy in the message fixes it.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type RunResult, type Syslog } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";

let m: Machine;
let log: Syslog;
let mallory: { uid: number; gid: number };

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  log = await m.startSyslog();
  mallory = m.addUser("mallory", { uid: 4900, home: "/home/mallory", createHome: true });
  // Whatever login.defs(5) of this machine says.
  m.chmod("/home/mallory", 0o755);
  m.addUser("u", { uid: 4901, home: `${J}/./home/u`, shell: "/usr/sbin/jk_chrootsh" });
  m.addUser("v", { uid: 4902 });
  m.must(["jk_init", "-j", J, "basicshell"]);
  for (const name of ["u", "v"]) {
    const { uid, gid } = m.ids(name);
    m.mkdir(`${J}/home/${name}`, { owner: [uid, gid] });
    m.write(
      `${J}/etc/passwd`,
      `${m.read(`${J}/etc/passwd`)}${name}:x:${uid}:${gid}::/home/${name}:/usr/sbin/jk_lsh\n`,
    );
    m.write(`${J}/etc/group`, `${m.read(`${J}/etc/group`)}${name}:x:${gid}:\n`);
  }
});
afterAll(() => m?.close());

const lsh = "[DEFAULT]\npaths = /usr/bin, /bin\nexecutables = /usr/bin/true, /bin/true\n";
const login = () => m.run(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "u", env: { USER: "u" } });

/** A reader: its file, the contents, how it runs, and where the reason of a refusal is. */
const readers: {
  name: string;
  file: string;
  text: string;
  run: () => RunResult;
  refused: number;
  told: "log" | "stderr";
}[] = [
  {
    name: "jk_chrootsh",
    file: "/etc/jailkit/jk_chrootsh.ini",
    text: "[u]\nenv = TERM\n",
    run: login,
    refused: 14,
    told: "log",
  },
  {
    name: "jk_lsh in the jail",
    file: `${J}/etc/jailkit/jk_lsh.ini`,
    text: lsh,
    run: login,
    refused: 1,
    told: "log",
  },
  {
    name: "jk_lsh",
    file: "/etc/jailkit/jk_lsh.ini",
    text: lsh,
    run: () => m.run(["/usr/sbin/jk_lsh", "-c", "true"], { user: "mallory", env: { USER: "mallory" } }),
    refused: 1,
    told: "log",
  },
  {
    name: "jk_uchroot",
    file: "/etc/jailkit/jk_uchroot.ini",
    text: `[v]\nallowed_jails = ${J}\n`,
    run: () => m.run(["/usr/bin/jk_uchroot", "-j", J, "-x", "/bin/true"], { user: "v", env: { USER: "v" } }),
    refused: 1,
    told: "log",
  },
  {
    name: "jk_init",
    file: "/etc/jailkit/jk_init.ini",
    text: "[one]\ncomment = one\npaths = /usr/bin/true\n",
    run: () => m.run(["jk_init", "-l"]),
    refused: 3,
    told: "stderr",
  },
  {
    name: "jk_check",
    file: "/etc/jailkit/jk_check.ini",
    text: `[${J}]\nignorepatheverywhere = /home\n`,
    run: () => m.run(["jk_check", "-j", "/srv/j"]),
    refused: 2,
    told: "stderr",
  },
  {
    name: "jk_update",
    file: "/etc/jailkit/jk_update.ini",
    text: `[${J}]\nskips = /home\n`,
    run: () => m.run(["jk_update", "--dry-run", "-c", J]),
    refused: 1,
    told: "stderr",
  },
  {
    name: "jk_socketd",
    file: "/etc/jailkit/jk_socketd.ini",
    text: "[/srv/none/dev/log]\nbase = 512\npeak = 2048\ninterval = 10\n",
    run: () => m.run(["jk_socketd", "-n", "-p", "/run/none.pid"]),
    refused: 11,
    told: "stderr",
  },
];

async function reason({ stderr, stdout }: RunResult, told: "log" | "stderr"): Promise<string> {
  if (told === "stderr") return `${stderr}${stdout}`;
  return (await log.lines()).map(({ message }) => message).join("\n");
}

describe.each(readers)("$name", ({ name, file, text, run, refused, told }) => {
  const directory = file.slice(0, file.lastIndexOf("/"));
  const copied = () =>
    m.must(["sh", "-ec", `install -o root -g root -m 0644 ${file} ${file}.new; mv -T ${file}.new ${file}`]);
  const cases: [string, () => void, string, () => void][] = [
    [
      "belongs to a user",
      () => m.chown(file, mallory.uid, mallory.gid),
      `${file} belongs to uid 4900 and not to root; copy it to a file of root's, read the copy, and move that over it`,
      copied,
    ],
    [
      "can be written by a group",
      () => {
        m.chown(file, 0, mallory.gid);
        m.chmod(file, 0o664);
      },
      `${file} can be written by its group or by others; copy it to a file of root's, read the copy, and move that over it`,
      copied,
    ],
    [
      "is in a directory of a user's",
      () => m.chown(directory, mallory.uid, 0),
      `${file} is in ${directory}, which belongs to uid 4900; fix it with: chown root ${directory}`,
      () => m.must(["chown", "root", directory]),
    ],
    [
      "is in a directory that everybody can write",
      () => m.chmod(directory, 0o777),
      `${file} is in ${directory}, which can be written by its group or by others; fix it with: chmod go-w ${directory}`,
      () => m.must(["chmod", "go-w", directory]),
    ],
    [
      "is a user's link",
      () => {
        m.rename(file, `${file}.real`);
        m.symlink(`${file.slice(file.lastIndexOf("/") + 1)}.real`, file);
        m.must(["chown", "-h", "mallory", file]);
      },
      `${file} is reached by the link ${file}, which belongs to uid 4900; read it first, then chown -h root it`,
      () => m.must(["chown", "-h", "root", file]),
    ],
    [
      "is a link into a home",
      () => {
        m.write("/home/mallory/file", text);
        m.remove(file);
        m.symlink("/home/mallory/file", file);
      },
      `${file} is in /home/mallory, which belongs to uid 4900; keep it where root alone can change it`,
      () => {
        m.remove(file);
        m.write(file, text);
      },
    ],
  ];
  // A link out of a jail leads nowhere there.
  const inJail = file.startsWith(J) ? cases.slice(0, 5) : cases;
  // These two look at the directory first, with a status and a remedy of their own.
  const possible = ["jk_chrootsh", "jk_uchroot"].includes(name)
    ? inJail.filter(([what]) => !what.startsWith("is in a directory"))
    : inJail;
  test.each(possible)(
    "a file that %s is refused, and the remedy fixes it",
    async (_what, spoil, why, heal) => {
      m.mkdir(directory);
      m.chown(directory, 0, 0);
      m.chmod(directory, 0o755);
      m.remove(`${file}.real`);
      m.remove(file);
      m.write(file, text);
      const before = name === "jk_socketd" ? undefined : run().status;
      await log.clear();
      spoil();
      const result = run();
      expect(result.status).toBe(refused);
      const shown = file.startsWith(J) && name !== "jk_chrootsh" ? why.replaceAll(J, "") : why;
      expect(await reason(result, told)).toContain(shown);
      heal();
      // A daemon would stay; that it is not refused for this is seen in the messages of a check.
      if (before === undefined)
        expect(m.run(["jailkit", "config", "check", file]).stdout).not.toContain("unsafe-file");
      else {
        await log.clear();
        const healed = run();
        expect(healed.status).toBe(before);
        expect(await reason(healed, told)).not.toContain(shown);
      }
      m.remove(`${file}.real`);
      m.remove(file);
      m.write(file, text);
    },
  );
});

import type { ByteString } from "../../ffi/bytes.ts";
import { type Machine, openMachine, type RunResult, type Syslog } from "../machine/machine.ts";
import type { MachineProcess } from "../machine/process.ts";

/** An account in a jail of its own. */
export interface Account {
  user: string;
  uid: number;
  gid: number;
  jail: string;
  /** On the host. */
  home: string;
  keys: string;
}

/** "both": the key, and then the password; "rsa": another key of the client. */
export type By = "key" | "password" | "su" | "sftp" | "both" | "rsa";
export type Verdict = "works" | "refused" | "unknown" | "not-jailed";

/** One account that is broken in one way, or that is not. */
export interface Case {
  name: string;
  /** Breaks it; gives back what undoes that which is not undone for each account. */
  breaks?: (scene: Scene, account: Account) => unknown;
  /** Lines of sshd_config, `Match` last; USER is the account, unless it is the name of a variable. */
  sshd?: readonly string[];
  /** The shell in the jail; /bin/sh. */
  shell?: string;
  /** What a client asks to run; "echo inside". */
  command?: string;
  /** How it is logged in: by a key, and then by the password. */
  by?: By;
  /** Options of jailkit explain. */
  options?: readonly string[];
  verdict: Verdict;
  /** The stage and the name of the step that decides. */
  check?: string;
  /** What sshd, PAM or the shell say of that, where it is not jk_chrootsh that decides. */
  log?: RegExp;
  /** Of "unknown": why nobody can know. */
  why?: string;
  /** Of "unknown": whether this login works, where the case knows. */
  enters?: boolean;
  /**
   * What is printed is typed, and the login works; "keys": once the user has put the keys in anew, as it says. A function
   * does what else it says, and a check may then be unknown.
   */
  mends?: true | "keys" | ((scene: Scene, account: Account) => unknown);
}

export interface Scene {
  m: Machine;
  log: Syslog;
  /** Makes the account of a case, breaks it, and starts sshd as the case has it. */
  prepare(one: Case): Promise<{ account: Account; undo: () => void }>;
  login(account: Account, one: Case): RunResult;
  /** The user puts the key into the file of keys, which is there no more. */
  putKeys(account: Account): void;
  /** What sshd has said since the last case began, with its last word of the connection. */
  said(account: Account): Promise<ByteString>;
}

const TEMPLATE = "/srv/template";
const PASSWORD = "a secret";
const FOLDER = "/run/verdicts";
const CLIENT = [
  ...["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"],
  ...["-o", "LogLevel=ERROR", "-o", "NumberOfPasswordPrompts=1"],
];
// What a case may change is as it was when the next one begins.
const RESTORED = [
  "/etc/pam.d/sshd",
  "/etc/pam.d/su-l",
  "/etc/security/access.conf",
  "/etc/security/time.conf",
  "/etc/security/limits.d/verdicts.conf",
  "/etc/security/pam_env.conf",
  "/etc/environment",
  "/etc/nologin",
  "/etc/shells",
  "/etc/jailkit/jk_chrootsh.ini",
  "/etc/jailkit/jk_lsh.ini",
];

/** Opens the machine with a jail to copy, keys and a log. */
export async function openVerdicts(): Promise<Scene> {
  const m = await openMachine({ under: "ours" });
  const log = await m.startSyslog();
  m.mkdir("/run/sshd");
  m.mkdir(FOLDER);
  for (const key of ["host", "client"])
    m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${FOLDER}/${key}`]);
  m.write(`${FOLDER}/askpass`, `#!/bin/sh\necho '${PASSWORD}'\n`, { mode: 0o755 });
  const hash = m.must(["openssl", "passwd", "-6", PASSWORD]).stdout.trim();
  m.must(["jk_init", "-j", TEMPLATE, "jk_lsh", "sftp"]);
  m.must(["jk_cp", "-j", TEMPLATE, "/bin/sh", "/usr/bin/id"]);
  const lshPolicy = m.read(`${TEMPLATE}/etc/jailkit/jk_lsh.ini`);
  m.must(["useradd", "-M", "-p", "*", "somebody"]);
  m.must(["groupadd", "friends"]);
  m.remove("/etc/ssh/sshd_config.d");
  const originals = RESTORED.map((path) => ({
    path,
    stat: m.stat(path),
    text: m.exists(path) ? m.read(path) : "",
  }));
  const RECORDS = "/var/lib/jailkit/jails";
  const records = new Set(m.list(RECORDS));
  let count = 0;
  let sshd: { config: ByteString; process: MachineProcess } | undefined;
  let heard = 0;

  function restore(): void {
    m.must(["chmod", "0755", "/etc/jailkit", "/srv"]);
    for (const { path, stat, text } of originals) {
      m.remove(path);
      if (stat !== undefined) m.write(path, text, { mode: stat.mode & 0o7777 });
    }
  }

  /** The account of the last case, which every command would look at again. Its jail stays: something may be mounted there. */
  function forgetLast(): void {
    if (count === 0) return;
    m.run(["userdel", "-f", `u${count}`]);
    for (const id of m.list(RECORDS)) if (!records.has(id)) m.remove(`${RECORDS}/${id}`);
  }

  function add({ shell = "/bin/sh" }: Case): Account {
    const number = ++count;
    const user = `u${number}`;
    const jail = `/srv/c${number}`;
    m.must(["cp", "-a", TEMPLATE, jail]);
    m.write(`${jail}/etc/jailkit/jk_lsh.ini`, lshPolicy);
    m.must(["jk_addjailuser", "-j", jail, "-s", shell, user]);
    m.must(["usermod", "-p", hash, user]);
    const { uid, gid } = m.ids(user);
    const home = `${jail}/home/${user}`;
    m.mkdir(`${home}/.ssh`, { mode: 0o700, owner: [uid, gid] });
    const keys = `${home}/.ssh/authorized_keys`;
    m.write(keys, m.read(`${FOLDER}/client.pub`), { mode: 0o600, owner: [uid, gid] });
    return { user, uid, gid, jail, home, keys };
  }

  async function startSshd(lines: readonly string[]): Promise<void> {
    const match = lines.findIndex((line) => /^match\b/i.test(line));
    const settings = [
      ...["Port 22", "ListenAddress 127.0.0.1", `HostKey ${FOLDER}/host`, "PidFile none"],
      ...["UsePAM yes", "KbdInteractiveAuthentication no", "PrintMotd no", "PerSourcePenalties no"],
      "LogLevel VERBOSE",
      ...(lines.includes("# no Subsystem") ? [] : ["Subsystem sftp /usr/lib/openssh/sftp-server"]),
    ];
    const all =
      match < 0 ? [...lines, ...settings] : [...lines.slice(0, match), ...settings, ...lines.slice(match)];
    const config = `${all.join("\n")}\n`;
    // sshd would have to read a file that is written again, even if it is the same.
    if (sshd?.config === config) return;
    m.write("/etc/ssh/sshd_config", config);
    sshd?.process.kill();
    await sshd?.process.ended;
    const process = m.start(["/usr/sbin/sshd", "-D", "-e"]);
    await process.until(({ stderr }) => stderr.includes("Server listening on") || undefined);
    sshd = { config, process };
  }

  const scene: Scene = {
    m,
    log,
    async prepare(one) {
      restore();
      forgetLast();
      await log.clear();
      const account = add(one);
      const undo = one.breaks?.(scene, account);
      const { user } = account;
      await startSshd((one.sshd ?? []).map((line) => line.replaceAll(/USER(?!=)/g, user)));
      heard = sshd?.process.stderr.length ?? 0;
      return { account, undo: typeof undo === "function" ? () => undo() : () => {} };
    },
    putKeys({ user, home, keys }) {
      const script = `mkdir -p -m 0700 ${home}/.ssh && set -C && cat ${FOLDER}/client.pub > ${keys}`;
      m.must(["sh", "-ec", script], { user });
    },
    async said({ user }) {
      const all = () => sshd?.process.stderr.slice(heard) ?? "";
      const last = new RegExp(
        `(?:Disconnected from|Connection (?:closed|reset) by|Access denied for|fatal: ).* ${user} |prohibited|Too many authentication failures|contains disabled method|drop connection|for chroot directory|(?:killed|terminated) by signal|^Closing connection to `,
        "m",
      );
      await sshd?.process.until(() => last.test(all()) || undefined).catch(() => undefined);
      return all();
    },
    login({ user }, { by = "key", command = "echo inside" }) {
      const where = `${user}@127.0.0.1`;
      const key = ["-i", `${FOLDER}/client`, "-o", "PreferredAuthentications=publickey"];
      if (by === "su") return m.run(["su", "-", user, "-c", command]);
      if (by === "sftp") return m.run(["sftp", ...CLIENT, ...key, "-b", "-", where], { stdin: "pwd\n" });
      if (by === "key") return m.run(["ssh", ...CLIENT, ...key, where, command]);
      if (by === "rsa") return m.run(["ssh", ...CLIENT, "-i", `${FOLDER}/rsa2048`, where, command]);
      const secrets = "password,keyboard-interactive";
      const env = {
        PATH: "/usr/bin:/bin",
        SSH_ASKPASS: `${FOLDER}/askpass`,
        SSH_ASKPASS_REQUIRE: "force",
      };
      const methods =
        by === "both"
          ? ["-i", `${FOLDER}/client`, "-o", `PreferredAuthentications=publickey,${secrets}`]
          : ["-o", `PreferredAuthentications=${secrets}`, "-o", "PubkeyAuthentication=no"];
      return m.run(["ssh", ...CLIENT, ...methods, where, command], { env });
    },
  };
  return scene;
}

/** Clients at work: everything that the server programs are used for, as far as it could start something. */
import type { ByteString } from "../../ffi/bytes.ts";
import type { RunResult } from "../machine/machine.ts";
import { lines } from "./uploads-files.ts";
import { type Account, type Scene, textFor } from "./uploads-scene.ts";
import { ENVIRONMENT } from "./uploads-ways.ts";

const CLIENT = "/root/client";

/** A use of server programs by a client. */
export interface Use {
  name: string;
  /** The programs that are at work in the jail, by file and argument vector. */
  serves: RegExp;
  /** What else the client uploads before, in the form of the lists of ways. */
  files?: Readonly<Record<ByteString, ByteString>>;
  /** What the client wants is done for the account with jk_lsh too. */
  works?: true;
  /** Only the kernel stops what it starts: docs/security.md names these servers. */
  open?: true;
  act(scene: Scene, account: Account): RunResult | undefined;
}

const RSYNC = /^\/usr\/bin\/rsync /;
const SCP = /^\/usr\/bin\/scp /;
const SFTP = /^\/usr\/lib\/openssh\/sftp-server /;
const GIT = /^\/usr\/(?:bin|lib\/git-core)\/git /;
const CVS = /^\/usr\/bin\/cvs /;
const SVN = /^\/usr\/bin\/svnserve /;
const HG = /^\/usr\/bin\/python3\.\d+ \/usr\/bin\/python3 \/usr\/bin\/hg /;
const BORG = /^\/usr\/bin\/python3\.\d+ \/usr\/bin\/python3 \/usr\/bin\/borg /;
const MOSH = /^\/usr\/bin\/mosh-server /;
const UNISON = /^\/usr\/bin\/unison-2\.53 /;
const ANY = new RegExp(
  [RSYNC, SCP, SFTP, GIT, CVS, SVN, HG, BORG, MOSH, UNISON].map((one) => one.source).join("|"),
);

const host = ({ name }: Account) => `${name}@127.0.0.1`;
const at = (account: Account, path: string) => `${host(account)}/home/${account.name}/${path}`;
const rsync = ({ client, sshd }: Scene, ...words: string[]) =>
  client(["rsync", "-e", sshd.command, "-a", ...words]);
const scp = ({ client, sshd }: Scene, ...words: string[]) =>
  client(["scp", ...sshd.clientOptions, "-O", ...words]);
const git = ({ client }: Scene, ...words: string[]) => client(["git", ...words]);

/** An sftp session that does these commands. */
export function sftp({ client, sshd }: Scene, account: Account, commands: ByteString): RunResult {
  return client(["sftp", ...sshd.clientOptions, "-b", "-", host(account)], { stdin: commands });
}

// The servers under both of their names: the second repository is asked for by a client that says `git upload-pack`.
const spelt = (repository: string, option: string, server: string) =>
  repository === "bad.git" ? [`${option}=git ${server}`] : [];
const push = (repository: string, ...words: string[]): Use => ({
  name: `git push ${[...words, repository].join(" ")}`,
  serves: GIT,
  act: (s, a) => {
    const server = spelt(repository, "--receive-pack", "receive-pack");
    return git(s, "-C", "git", "push", "-q", ...server, `ssh://${at(a, repository)}`, ...words);
  },
});
const archive = (repository: string, format: string): Use => ({
  name: `git archive ${format} ${repository}`,
  serves: GIT,
  act: (s, a) => {
    const server = spelt(repository, "--exec", "upload-archive");
    return git(s, "archive", `--remote=ssh://${at(a, repository)}`, ...server, `--format=${format}`, "main");
  },
});
const clone = (repository: string): Use => ({
  name: `git clone ${repository}`,
  serves: GIT,
  works: true,
  act: (s, a) => {
    const server = spelt(repository, "--upload-pack", "upload-pack");
    return git(s, "clone", "-q", ...server, `ssh://${at(a, repository)}`, `${a.name}-${repository}`);
  },
});

function cvs({ m, client }: Scene, a: Account): RunResult {
  const copy = `${CLIENT}/cvs-${a.name}`;
  const cvs = (cwd: string, ...words: string[]) =>
    client(["cvs", "-Q", "-d", `:ext:${host(a)}:/home/${a.name}/cvs`, ...words], { cwd });
  cvs(CLIENT, "checkout", "-d", `cvs-${a.name}`, "m");
  m.write(`${copy}/f`, "f\n");
  cvs(copy, "add", "f");
  cvs(copy, "commit", "-m", "m");
  cvs(copy, "tag", "t");
  cvs(copy, "watch", "on");
  cvs(copy, "admin", "-kb", "f");
  cvs(CLIENT, "export", "-r", "t", "-d", `cvs-e-${a.name}`, "m");
  return cvs(CLIENT, "rtag", "u", "m");
}

function svn({ m, client }: Scene, a: Account): RunResult {
  const copy = `svn-${a.name}`;
  const url = `svn+ssh://${at(a, "svn")}`;
  const svn = (...words: string[]) => client(["svn", "--non-interactive", "-q", ...words]);
  svn("checkout", url, copy);
  m.write(`${CLIENT}/${copy}/f`, "f\n");
  svn("add", `${copy}/f`);
  svn("commit", "-m", "m", copy);
  svn("lock", `${copy}/f`);
  svn("unlock", `${copy}/f`);
  return svn("propset", "--revprop", "-r", "0", "x", "y", url);
}

function hg({ m, client, sshd }: Scene, a: Account): RunResult {
  const copy = `hg-${a.name}`;
  const hg = (...words: string[]) => client(["hg", "--config", `ui.ssh=${sshd.command}`, "-q", ...words]);
  hg("init", copy);
  m.write(`${CLIENT}/${copy}/f`, "f\n");
  hg("-R", copy, "commit", "-A", "-u", "u", "-m", "m", `${copy}/f`);
  return hg("-R", copy, "push", `ssh://${host(a)}//home/${a.name}/hg`);
}

function mosh({ client, m, sshd }: Scene, a: Account): RunResult {
  const server = sshd.ssh(a.name, ["mosh-server new -c 256 -s -l LANG=C.UTF-8"]);
  const [, port, key] = /MOSH CONNECT (\d+) (\S+)/.exec(server.stdout) ?? [];
  if (port === undefined || key === undefined) return server;
  // The account's shell is started when the client is there.
  const commands = `stty rows 24 cols 80; mosh-client 127.0.0.1 ${port}`;
  const env = { PATH: "/usr/bin", TERM: "xterm", LANG: "C.UTF-8", MOSH_KEY: key };
  client(["timeout", "-s", "KILL", "20", "script", "-qec", commands, "/dev/null"], { env });
  m.run(["pkill", "-KILL", "-u", a.name, "mosh-server"]);
  return server;
}

function unison({ client, m, sshd }: Scene, a: Account, ...words: string[]): RunResult {
  m.write(`${CLIENT}/sync-${a.name}/f`, "f\n");
  const roots = [`sync-${a.name}`, `ssh://${host(a)}//home/${a.name}/sync`];
  const options = ["-batch", "-auto", "-ignorearchives", "-sshargs", sshd.clientOptions.join(" ")];
  // A shell may look for programs where the user says; jk_lsh does not let that be said.
  const path = a.limited ? [] : ["-servercmd", `PATH=/usr/bin:/home/${a.name}/esc unison`];
  return client(["timeout", "20", "unison", ...roots, ...options, ...path, ...words]);
}

const PUSHED: Use = {
  name: "rsync push",
  serves: RSYNC,
  works: true,
  act: (s, a) => rsync(s, "file", `${host(a)}:pushed`),
};

export const USES: readonly Use[] = [
  PUSHED,
  { name: "rsync pull", serves: RSYNC, works: true, act: (s, a) => rsync(s, `${host(a)}:file`, "pulled") },
  { name: "rsync daemon", serves: RSYNC, act: (s, a) => rsync(s, "file", `${host(a)}::m/pushed`) },
  { name: "scp to", serves: SCP, works: true, act: (s, a) => scp(s, "file", `${host(a)}:copied`) },
  { name: "scp from", serves: SCP, works: true, act: (s, a) => scp(s, `${host(a)}:file`, "copied") },
  {
    name: "sftp",
    serves: SFTP,
    works: true,
    act: (s, a) =>
      sftp(
        s,
        a,
        lines(
          "-ln -s /usr/bin/sync link",
          "-ln file hard",
          "-rename hard new",
          "-chmod 6755 new",
          "-cp file x",
        ),
      ),
  },
  clone("clean.git"),
  clone("bad.git"),
  { ...push("clean.git", "main", "HEAD:refs/for/x"), works: true },
  push("clean.git", "--signed", "HEAD:refs/heads/signed"),
  archive("clean.git", "esc"),
  push("bad.git", "main", "HEAD:refs/for/x"),
  push("bad.git", "--signed", "HEAD:refs/heads/signed"),
  archive("bad.git", "esc"),
  archive("bad.git", "tgz"),
  push("tree", "main"),
  archive("tree", "tar"),
  push("lazy.git", "main"),
  archive("lazy.git", "tar"),
  push("local.git", "main"),
  { name: "cvs", serves: CVS, open: true, act: cvs },
  { name: "svn", serves: SVN, open: true, act: svn },
  { name: "hg", serves: HG, works: true, act: hg },
  { name: "mosh", serves: MOSH, works: true, act: mosh },
  {
    name: "borg",
    serves: BORG,
    works: true,
    act: ({ client }, a) => client(["borg", "init", "-e", "none", `ssh://${at(a, "borg")}`]),
  },
  {
    name: "unison",
    serves: UNISON,
    act: (s, a) => unison(s, a, "-copythreshold", "0", "-copyprog", textFor(a, "@RUN:unison-client@") ?? ""),
  },
  { name: "unison, watching", serves: UNISON, act: (s, a) => unison(s, a, "-repeat", "watch") },
  { ...PUSHED, name: "rsync with ~/.popt", files: { ".popt": "rsync exec --server @RUN:popt@\n" } },
  {
    name: "what a client sends as its environment",
    serves: ANY,
    act: ({ client, sshd }, a) =>
      everything(
        (words) => client([...words], { env: hostile(a) }),
        [...sshd.clientOptions, "-o", "SendEnv=*"],
        a,
      ),
  },
  {
    name: "~/.ssh/rc and ~/.ssh/environment",
    serves: ANY,
    files: { ".ssh/rc": "@RUN:ssh-rc@\n", ".ssh/environment": lines(...ENVIRONMENT) },
    act: ({ client, sshd }, a) => everything((words) => client([...words]), sshd.clientOptions, a),
  },
];

/** A command of the user in ~/.ssh/authorized_keys, if sshd reads that: it replaces all logins from then on. */
export const FORCED = 'command="@PATH:forced@" ';

function hostile(account: Account): Record<string, string> {
  const pairs = ENVIRONMENT.map((entry) => (textFor(account, entry) ?? "").split(/=(.*)/s, 2));
  return { ...Object.fromEntries(pairs), PATH: "/usr/bin" };
}

/** Starts the servers that read the most, which end as soon as nobody talks to them. */
function everything(
  run: (words: readonly string[]) => RunResult,
  options: readonly string[],
  a: Account,
): RunResult | undefined {
  let last: RunResult | undefined;
  for (const command of [
    "git-upload-pack clean.git",
    "hg -R hg serve --stdio",
    "borg serve",
    "rsync --server . x",
  ])
    last = run(["ssh", ...options, host(a), command]);
  return last;
}

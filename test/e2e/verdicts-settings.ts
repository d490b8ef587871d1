import type { Case, Scene } from "./verdicts-scene.ts";

const refused = (check: string, log: RegExp) => ({ verdict: "refused", check, log }) as const;
const unknown = (check: string, why: string) => ({ verdict: "unknown", check, why }) as const;
const works = { verdict: "works" } as const;

const NOT_LISTED = /not allowed because not listed in AllowUsers/;
const NO_WAY = /Connection closed by authenticating user|Permission denied \(|Failed password/;
const FROM = ["--from", "127.0.0.1"];
const LIMITS = "/etc/security/limits.d/verdicts.conf";
const INCLUDED = "/etc/ssh/verdicts";

/** A Match block that would keep the user out. */
const match = (
  line: string,
  verdict: Pick<Case, "verdict" | "check" | "log" | "why">,
  more: Partial<Case> = {},
): Case => ({
  name: `${line}${more.options === undefined ? "" : ", and the address"}`,
  sshd: [line, "AllowUsers root"],
  ...verdict,
  ...more,
});

/** The same in a file that the line names. */
const included = (line: string): Case => ({
  name: `${line}, with a block by address`,
  sshd: [line],
  breaks({ m }) {
    m.mkdir(INCLUDED);
    m.write(`${INCLUDED}/one.conf`, "Match Address 127.0.0.1\nAllowUsers root\n");
    return () => m.remove(INCLUDED);
  },
  ...unknown("sshd match", "where the login comes from decides"),
});

/** Puts a line before the rules of sshd. */
const rule = ({ m }: Scene, line: string) =>
  m.write("/etc/pam.d/sshd", `${line}\n${m.read("/etc/pam.d/sshd")}`);

/** A limit of the user's. */
const limit = (line: string, verdict: Pick<Case, "verdict" | "check" | "log" | "why">): Case => ({
  name: `the limit '${line}'`,
  breaks: ({ m }, { user }) => m.write(LIMITS, `${user} ${line}\n`),
  ...verdict,
});

/** What sshd's settings come to for one user, and what PAM does to a password. */
export const SETTINGS: readonly Case[] = [
  match("Match User USER,host", refused("sshd allowed-users", NOT_LISTED)),
  match("Match User version", works),
  match("Match User USER # by address", refused("sshd allowed-users", NOT_LISTED)),
  match("Match Version OpenSSH_*", refused("sshd allowed-users", NOT_LISTED)),
  match("Match User other Address 127.0.0.1", works),
  match("Match Group other,!users Address 127.0.0.1", works),
  match("Match Invalid-User", works),
  match("Match Host localhost", works, { options: FROM }),
  match("Match Host 127.0.0.1", refused("sshd allowed-users", NOT_LISTED), { options: FROM }),
  ...[
    "Match=Address 127.0.0.1",
    "Match Address=127.0.0.1",
    'Match "Address" 127.0.0.1',
    "Match Host 127.0.0.1",
  ].map((line) => match(line, unknown("sshd match", "where the login comes from decides"))),
  ...[
    `Include ${INCLUDED}*/one.conf`,
    `Include "${INCLUDED}/[no]ne.conf"`,
    `Include=/none ${INCLUDED}/one.conf # all`,
  ].map(included),
  match("Match LocalPort 22", unknown("sshd match", "systemd listens, and not where sshd's settings say"), {
    name: "a Match block by port, and systemd listens for sshd",
    breaks({ m }) {
      const wants = "/etc/systemd/system/sockets.target.wants";
      m.mkdir(wants);
      m.symlink("/usr/lib/systemd/system/ssh.socket", `${wants}/ssh.socket`);
      return () => m.remove(`${wants}/ssh.socket`);
    },
  }),
  { name: "AllowUsers by a network", sshd: ["AllowUsers USER@127.0.0.0/8"], options: FROM, ...works },
  {
    name: "AllowUsers by another network",
    sshd: ["AllowUsers USER@10.0.0.0/8"],
    options: FROM,
    ...refused("sshd allowed-users", NOT_LISTED),
  },
  {
    name: "AllowUsers by the name of a host, which sshd does not ask for",
    sshd: ["AllowUsers USER@localhost"],
    options: FROM,
    ...refused("sshd allowed-users", NOT_LISTED),
  },
  { name: "penalties for addresses that have failed", sshd: ["PerSourcePenalties yes"], ...works },
  ...["ForceCommand internal-sftp", "ForceCommand internal-sftp -R"].map(
    (line): Case => ({
      name: `${line}, and a command`,
      sshd: [line],
      ...refused("sshd sftp-alone", /This service allows sftp connections only/),
    }),
  ),
  {
    name: "a key that is for internal-sftp, and a command",
    sshd: ["PasswordAuthentication no"],
    breaks({ m }, { keys, uid, gid }) {
      m.write(keys, `command="internal-sftp" ${m.read(keys)}`, { mode: 0o600, owner: [uid, gid] });
    },
    ...refused("sshd sftp-alone", /This service allows sftp connections only/),
  },
  {
    name: "Subsystem sftp that is another program",
    sshd: ["Subsystem sftp /usr/libexec/sftp-server"],
    by: "sftp",
    ...unknown("sshd subsystem", "a client may name the server"),
  },
  {
    name: "a password is wanted besides the key, and PAM takes none",
    sshd: ["AuthenticationMethods publickey,password"],
    breaks: (scene) => rule(scene, "auth requisite pam_deny.so"),
    ...refused("pam auth", /Failed password|Permission denied|PAM: /),
  },
  {
    name: "a password is wanted, there is none, and PAM lets in without",
    by: "password",
    sshd: ["AuthenticationMethods password"],
    breaks(scene, { user }) {
      scene.m.must(["usermod", "-p", "*", user]);
      rule(scene, "auth sufficient pam_permit.so");
    },
    ...unknown("sshd credentials", "what takes the password is not shadow(5)"),
  },
  {
    name: "a password is wanted, and there is none",
    by: "password",
    sshd: ["AuthenticationMethods password"],
    breaks: ({ m }, { user }) => m.must(["usermod", "-p", "*", user]),
    ...refused("sshd credentials", NO_WAY),
  },
  limit("soft nproc 1", refused("limits nproc", /fork: Resource temporarily unavailable/)),
  limit("soft nofile 15", refused("limits nofile", /exec request failed|Too many open files/)),
  limit("hard cpu 0", refused("limits cpu", /./)),
  limit("soft cpu 0", refused("limits cpu", /./)),
  limit("soft as 100000", unknown("limits as", "how much the kernel maps depends on the machine")),
  limit(
    "soft stack 8",
    unknown("limits stack", "how much the kernel takes for a start depends on the machine"),
  ),
  limit("soft as 1000000", works),
  limit("soft stack 128", works),
];

import type { Case } from "./verdicts-scene.ts";

const NO_WAY = /Connection closed by authenticating user|Permission denied \(|Failed publickey/;
const NO_PASSWORD = "PasswordAuthentication no";
const FROM = ["--from", "127.0.0.1"];

/** A file of keys that is made of the line of the one key. */
const keys =
  (text: (line: string, user: string) => string): NonNullable<Case["breaks"]> =>
  ({ m }, { keys: file, user, uid, gid }) =>
    m.write(file, text(m.read(file).trim(), user), { mode: 0o600, owner: [uid, gid] });

const refused = { verdict: "refused", check: "sshd credentials", log: NO_WAY } as const;
const works = { verdict: "works" } as const;

/** A key with options. */
const option = (
  options: string,
  verdict: typeof refused | typeof works,
  given: readonly string[] = [],
): Case => ({
  name: `a key with the options ${options}${given.length > 0 ? ", and the address" : ""}`,
  sshd: [NO_PASSWORD],
  breaks: keys((line) => `${options} ${line}\n`),
  options: given,
  ...verdict,
});

/** Lines of authorized_keys, as sshd(8) reads them. */
export const KEYS: readonly Case[] = [
  ...[
    ...[
      'command="id",command="id"',
      'principals="x"',
      'permitopen="localhost"',
      'permitopen="localhost:99999"',
    ],
    ...[
      'permitlisten="x"',
      'environment="1 2"',
      'environment="A-B=c"',
      'tunnel="x"',
      'tunnel="1:2"',
      'expiry-time="20401301"',
    ],
    ...[
      'expiry-time="20200101",expiry-time="20400101"',
      'from="127.0.0.1",from="127.0.0.1"',
      'from="10.0.0.1/8"',
      'from="!10.0.0.1"',
    ],
  ].map((options) => option(options, refused)),
  ...["no-pty,", "restrict,,pty", 'expiry-time="20400101UTC"', 'permitlisten="ssh"', 'from="*"'].map(
    (options) => option(options, works),
  ),
  ...[
    ...['tunnel="ANY"', 'tunnel=" +1"', 'permitopen="h:+1",permitlisten=" 1"', 'permitopen="h[:22"'],
    ...['permitopen="[h]:22"', 'environment="A=b\\\f"'],
  ].map((options) => option(options, works)),
  ...['permitopen="[h:22"', 'permitopen="[h]x:22"'].map((options) => option(options, refused)),
  ...(["\f", "\v", "\r"] as const).flatMap((passedOver) =>
    [11, 12, 40, 80].map(
      (at): Case => ({
        name: `a key with ${JSON.stringify(passedOver)} behind ${at} characters`,
        sshd: [NO_PASSWORD],
        breaks: keys((line) => `${line.slice(0, at)}${passedOver}${line.slice(at)}\n`),
        ...(at === 11 ? refused : works),
      }),
    ),
  ),
  ...["127.0.0.1", "127.0.0.0/8,10.0.0.1", "127.*,!127.0.0.2"].map((list) =>
    option(`from="${list}"`, works, FROM),
  ),
  ...["10.0.0.1", "!127.0.0.1,*", "localhost", `${"*1".repeat(100)}x`].map((list) =>
    option(`from="${list}"`, refused, FROM),
  ),
  {
    name: "a key twice: the first line counts that is for this login",
    sshd: [NO_PASSWORD],
    breaks: keys(
      (line) => `expiry-time="20200101",command="/none" ${line}\n${line}\ncommand="/none" ${line}\n`,
    ),
    ...works,
  },
  {
    name: "a key that runs an empty command",
    shell: "/usr/sbin/jk_lsh",
    sshd: [NO_PASSWORD],
    breaks(scene, account) {
      keys((line) => `command="" ${line}\n`)(scene, account);
      const policy = `[${account.user}]\npaths = /usr/bin\nexecutables = /usr/bin/id\n`;
      scene.m.write(`${account.jail}/etc/jailkit/jk_lsh.ini`, policy);
    },
    command: "id",
    verdict: "refused",
    check: "jk_lsh command",
    log: /there is no program name/,
  },
  {
    name: "a NUL byte behind a key",
    sshd: [NO_PASSWORD],
    breaks: keys((line) => `${line.split(" ").slice(0, 2).join(" ")}\0x\n`),
    ...works,
  },
  {
    name: "more than 1 MiB of keys",
    sshd: [NO_PASSWORD],
    breaks: keys((line) => `${"# nothing\n".repeat(1 << 17)}${line}\n`),
    verdict: "unknown",
    check: "sshd credentials",
    why: "so much is not read",
  },
  {
    name: "a file of keys whose name has a blank",
    sshd: [NO_PASSWORD, 'AuthorizedKeysFile "%h/.ssh/my keys"'],
    breaks: ({ m }, { keys: file, home }) => m.rename(file, `${home}/.ssh/my keys`),
    ...works,
  },
  ...(["mkfifo", "mkdir"] as const).map(
    (command): Case => ({
      name: `in the place of the keys what ${command} makes`,
      sshd: [NO_PASSWORD],
      breaks({ m }, { keys: file, user }) {
        m.remove(file);
        m.must([command, file]);
        m.must(["chown", user, file]);
      },
      ...refused,
      log: /is not a regular file|Connection closed by authenticating user/,
      mends: "keys",
    }),
  ),
  {
    name: "a list of revoked keys that has a line with options: sshd takes no key",
    sshd: [NO_PASSWORD, "RevokedKeys /etc/ssh/revoked"],
    breaks: ({ m }) => m.write("/etc/ssh/revoked", "# none\nSHA256:abc\n"),
    ...refused,
    log: /Error checking authentication key|invalid format/,
    mends: true,
  },
  {
    name: "a list of revoked keys with the line ends of another system",
    sshd: [NO_PASSWORD, "RevokedKeys /etc/ssh/revoked"],
    breaks: ({ m }) => m.write("/etc/ssh/revoked", "# none\r\n\r\n"),
    ...refused,
    log: /Error checking authentication key|invalid format/,
    mends: true,
  },
];

import type { Account, Case, Scene } from "./verdicts-scene.ts";

const NO_WAY =
  /Connection closed by authenticating user|Permission denied \(|Too many authentication failures|Failed password/;
const NO_PASSWORD = "PasswordAuthentication no";
const refused = (log: RegExp = NO_WAY) => ({ verdict: "refused", check: "sshd credentials", log }) as const;
const works = { verdict: "works" } as const;

const noPassword = ({ m }: Scene, { user }: Account) => m.must(["usermod", "-p", "*", user]);

/** The key is the user's, at another path. */
const keysAt =
  (path: (account: Account) => string): NonNullable<Case["breaks"]> =>
  ({ m }, account) => {
    const { user, keys } = account;
    m.write(path(account), m.read(keys));
    m.must(["chown", user, path(account)]);
    m.remove(keys);
    return () => m.remove("/etc/ssh/keys");
  };

/** A public key of a security key: its type, a key of ed25519, and the application. */
function securityKey(): string {
  const type = "sk-ssh-ed25519@openssh.com";
  const strings = [Buffer.from(type), Buffer.alloc(32, 7), Buffer.from("ssh:")];
  const blob = strings.map((one) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(one.length);
    return Buffer.concat([length, one]);
  });
  return `${type} ${Buffer.concat(blob).toString("base64")}`;
}

/** An RSA key of the user in the place of the other, of a size in bits. */
const rsa =
  (bits: number): NonNullable<Case["breaks"]> =>
  ({ m }, { keys, uid, gid }) => {
    const file = `/run/verdicts/rsa${bits}`;
    m.must(["ssh-keygen", "-q", "-t", "rsa", "-b", `${bits}`, "-N", "", "-f", file]);
    m.write(keys, m.read(`${file}.pub`), { mode: 0o600, owner: [uid, gid] });
    return () => m.remove(file);
  };

/** Methods, kinds of keys and their places, and the account without PAM. */
export const METHODS: readonly Case[] = [
  {
    name: "a key and a password are wanted, and both are there",
    sshd: ["AuthenticationMethods publickey,password"],
    by: "both",
    ...works,
  },
  {
    name: "a key and a dialogue of PAM are wanted, and both are there",
    sshd: ["AuthenticationMethods publickey,keyboard-interactive:pam", "KbdInteractiveAuthentication yes"],
    by: "both",
    ...works,
  },
  {
    name: "a key and a password are wanted, and there is no key",
    sshd: ["AuthenticationMethods publickey,password"],
    by: "both",
    breaks: ({ m }, { keys }) => m.remove(keys),
    ...refused(),
  },
  {
    name: "a key and a password are wanted, at one try",
    sshd: ["AuthenticationMethods publickey,password", "MaxAuthTries 1"],
    by: "both",
    ...works,
  },
  {
    name: "a dialogue of PAM and no other password",
    sshd: [NO_PASSWORD, "KbdInteractiveAuthentication yes"],
    by: "password",
    breaks: ({ m }, { keys }) => m.remove(keys),
    ...works,
  },
  {
    name: "a dialogue without PAM: sshd asks for nothing",
    sshd: [NO_PASSWORD, "KbdInteractiveAuthentication yes", "UsePAM no"],
    by: "password",
    breaks: ({ m }, { keys }) => m.remove(keys),
    ...refused(),
  },
  {
    name: "AuthenticationMethods of a password alone, and the password, without PAM",
    sshd: ["AuthenticationMethods password", "UsePAM no"],
    by: "password",
    ...works,
  },
  {
    name: "without PAM: a * in the place of the password, and a key",
    sshd: ["UsePAM no"],
    breaks: noPassword,
    ...works,
  },
  {
    name: "without PAM: a !* in the place of the password, and a key",
    sshd: ["UsePAM no"],
    breaks: ({ m }, { user }) => m.must(["usermod", "-p", "!*", user]),
    ...{ verdict: "refused", check: "sshd account-locked", log: /because account is locked/ },
  },
  {
    name: "without PAM: *LK* in the place of the password, and a key",
    sshd: ["UsePAM no"],
    breaks: ({ m }, { user }) => m.must(["usermod", "-p", "*LK*", user]),
    ...works,
  },
  {
    name: "host-based, and neither key nor password",
    sshd: [NO_PASSWORD, "HostbasedAuthentication yes"],
    breaks: ({ m }, { keys }) => m.remove(keys),
    ...{ verdict: "unknown", check: "sshd credentials", why: "the key of the client's machine decides" },
  },
  {
    name: "PubkeyAcceptedAlgorithms without the type of the key",
    sshd: [NO_PASSWORD, "PubkeyAcceptedAlgorithms rsa-sha2-512,ecdsa-sha2-nistp256"],
    ...refused(/key type ssh-ed25519 not in PubkeyAcceptedAlgorithms|Connection closed by authenticating/),
  },
  {
    name: "PubkeyAcceptedAlgorithms by a pattern that takes the type of the key away",
    sshd: [NO_PASSWORD, "PubkeyAcceptedAlgorithms -*ed25519*"],
    ...refused(/not in PubkeyAcceptedAlgorithms|Connection closed by authenticating/),
  },
  {
    name: "PubkeyAuthOptions verify-required, and a key of ssh-keygen",
    sshd: [NO_PASSWORD, "PubkeyAuthOptions verify-required"],
    ...works,
  },
  {
    name: "PubkeyAuthOptions verify-required, and a security key",
    sshd: [NO_PASSWORD, "PubkeyAuthOptions verify-required"],
    breaks: ({ m }, { keys, uid, gid }) =>
      m.write(keys, `${securityKey()}\n`, { mode: 0o600, owner: [uid, gid] }),
    ...{ verdict: "unknown", check: "sshd credentials", why: "the security key may ask for no PIN" },
  },
  {
    name: "a security key with the option verify-required",
    sshd: [NO_PASSWORD],
    breaks: ({ m }, { keys, uid, gid }) =>
      m.write(keys, `verify-required ${securityKey()}\n`, { mode: 0o600, owner: [uid, gid] }),
    ...{ verdict: "unknown", check: "sshd credentials", why: "the security key may ask for no PIN" },
  },
  {
    name: "RequiredRSASize larger than the key",
    sshd: [NO_PASSWORD, "RequiredRSASize 3072"],
    by: "rsa",
    breaks: rsa(2048),
    ...refused(/Invalid key length|Connection closed by authenticating/),
  },
  {
    name: "RequiredRSASize as large as the key",
    sshd: [NO_PASSWORD, "RequiredRSASize 2048"],
    by: "rsa",
    breaks: rsa(2048),
    ...works,
  },
  {
    name: "RequiredRSASize, and no password: a key that is smaller by one bit",
    sshd: [NO_PASSWORD, "RequiredRSASize 2049"],
    by: "rsa",
    breaks: rsa(2048),
    ...refused(/Invalid key length|Connection closed by authenticating/),
  },
  {
    name: "AuthorizedKeysFile none",
    sshd: [NO_PASSWORD, "AuthorizedKeysFile none"],
    ...refused(),
  },
  {
    name: "AuthorizedKeysFile none in a Match block for the user, and a password",
    sshd: ["Match User USER", "AuthorizedKeysFile none"],
    by: "password",
    ...works,
  },
  ...["%u", "%U", "%u%%"].map(
    (name): Case => ({
      name: `AuthorizedKeysFile /etc/ssh/keys/${name}`,
      sshd: [NO_PASSWORD, `AuthorizedKeysFile /etc/ssh/keys/${name}`],
      breaks: keysAt(
        ({ user, uid }) => `/etc/ssh/keys/${name === "%U" ? uid : user}${name === "%u%%" ? "%" : ""}`,
      ),
      ...works,
    }),
  ),
  {
    name: "AuthorizedKeysFile of two places, and the key is in the second",
    sshd: [NO_PASSWORD, "AuthorizedKeysFile .ssh/none %h/.ssh/authorized_keys2"],
    breaks: keysAt(({ home }) => `${home}/.ssh/authorized_keys2`),
    ...works,
  },
  {
    name: "AuthorizedKeysFile of two places, and others can write the one with the key",
    sshd: [NO_PASSWORD, "AuthorizedKeysFile .ssh/none .ssh/authorized_keys"],
    breaks: ({ m }, { keys }) => m.chmod(keys, 0o666),
    ...refused(/bad ownership or modes for file/),
  },
  {
    name: "AuthorizedKeysCommand that prints the key",
    sshd: [
      NO_PASSWORD,
      "AuthorizedKeysFile none",
      "AuthorizedKeysCommand /usr/bin/cat /run/verdicts/client.pub",
      "AuthorizedKeysCommandUser root",
    ],
    ...{ verdict: "unknown", check: "sshd credentials", why: "a program gives the keys" },
  },
  {
    name: "AuthorizedKeysCommand that does not exist",
    sshd: [
      NO_PASSWORD,
      "AuthorizedKeysFile none",
      "AuthorizedKeysCommand /usr/local/bin/no-keys %u",
      "AuthorizedKeysCommandUser nobody",
    ],
    ...refused(),
  },
  {
    name: "PermitTTY no: a command works",
    sshd: ["PermitTTY no"],
    ...works,
  },
  { name: "DisableForwarding yes", sshd: ["DisableForwarding yes"], ...works },
  { name: "one session", sshd: ["MaxSessions 1"], ...works },
  {
    name: "no time to log in",
    sshd: ["LoginGraceTime 1"],
    ...{ verdict: "unknown", check: "sshd grace-time", why: "the time that a login takes decides" },
  },
  { name: "no limit of the time to log in", sshd: ["LoginGraceTime 0"], ...works },
  ...["Match all", "Match User *", "Match User !other,U*,u*"].map(
    (line): Case => ({
      name: `AllowUsers in ${line}`,
      sshd: [line, "AllowUsers root"],
      ...{ verdict: "refused", check: "sshd allowed-users", log: /not listed in AllowUsers/ },
    }),
  ),
  {
    name: "AllowUsers in a block for all others",
    sshd: ["Match User *,!USER", "AllowUsers root"],
    ...works,
  },
  {
    name: "PermitUserEnvironment for other variables",
    sshd: ["PermitUserEnvironment LANG,LC_*", "PermitUserRC no"],
    breaks: ({ m }, { home, uid, gid }) =>
      m.write(`${home}/.ssh/environment`, "USER=somebody\n", { mode: 0o600, owner: [uid, gid] }),
    ...works,
  },
  {
    name: "PermitUserEnvironment for USER",
    sshd: ["PermitUserEnvironment LANG,US*", "PermitUserRC no"],
    breaks: ({ m }, { home, uid, gid }) =>
      m.write(`${home}/.ssh/environment`, "USER=somebody\n", { mode: 0o600, owner: [uid, gid] }),
    ...{ verdict: "refused", check: "jk_chrootsh account" },
  },
];

import type { Account, Case, Scene } from "./verdicts-scene.ts";

const NO_WAY =
  /Connection closed by authenticating user|Permission denied \(|Too many authentication failures/;
const CA = "/etc/ssh/users-ca";
const PRINCIPALS = "/etc/ssh/principals";
const TRUSTED = ["PasswordAuthentication no", `TrustedUserCAKeys ${CA}.pub`];
const CERTIFICATE = "/run/verdicts/client-cert.pub";

const refused = { verdict: "refused", check: "sshd credentials", log: NO_WAY } as const;
/** explain cannot know which certificates the user has; `enters`: a login with this one works. */
const unknown = (why: string, enters = true) =>
  ({ verdict: "unknown", check: "sshd credentials", why, enters }) as const;
const HELD = "explain does not see the certificates that a user has";

interface Signed {
  /** Names in the certificate; the account. */
  principals?: string;
  /** More options of ssh-keygen. */
  options?: readonly string[];
  /** Lines of authorized_keys, made from the public key of the certification authority; there are none without it. */
  keys?: (authority: string, user: string) => string;
  more?: (scene: Scene, account: Account) => unknown;
}

/** Signs the key of the client. The user has no key of their own and no password. */
const signed =
  ({ principals, options = [], keys, more }: Signed = {}): NonNullable<Case["breaks"]> =>
  (scene, account) => {
    const { m } = scene;
    const { user, uid, gid } = account;
    if (!m.exists(CA)) m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", CA]);
    const names = ["-I", "test", "-n", principals ?? user, "-z", "7", ...options];
    m.must(["ssh-keygen", "-q", "-s", CA, ...names, "/run/verdicts/client.pub"]);
    m.must(["usermod", "-p", "*", user]);
    m.remove(account.keys);
    const authority = m.read(`${CA}.pub`).trim();
    if (keys !== undefined)
      m.write(account.keys, `${keys(authority, user)}\n`, { mode: 0o600, owner: [uid, gid] });
    const undo = more?.(scene, account);
    return () => {
      m.remove(CERTIFICATE);
      m.remove("/etc/ssh/revoked");
      m.remove(PRINCIPALS);
      if (typeof undo === "function") undo();
    };
  };

/** A file of principals that names the user. */
const principals = (
  text: (user: string) => string,
  change: (scene: Scene, account: Account) => unknown = () => 0,
) =>
  signed({
    principals: "staff",
    more(scene, account) {
      scene.m.write(`${PRINCIPALS}/${account.user}`, text(account.user));
      change(scene, account);
    },
  });
const WITH_PRINCIPALS = [...TRUSTED, `AuthorizedPrincipalsFile ${PRINCIPALS}/%u`];

/** A certificate for a line of authorized_keys. */
const line = (
  options: string,
  verdict: Pick<Case, "verdict" | "check" | "log" | "why" | "enters">,
  more: Partial<Case> & { signed?: Signed } = {},
): Case => {
  const { signed: how, ...rest } = more;
  return {
    name: `a line of authorized_keys with ${options}`,
    sshd: ["PasswordAuthentication no"],
    breaks: signed({ ...how, keys: (authority) => `${options} ${authority}` }),
    ...verdict,
    ...rest,
  };
};

/** Certificates of users, which TrustedUserCAKeys or a line of authorized_keys lets in. */
export const CERTIFICATES: readonly Case[] = [
  { name: "a certificate and nothing else", sshd: TRUSTED, breaks: signed(), ...unknown(HELD) },
  {
    name: "a certificate, where there is a key too",
    sshd: TRUSTED,
    breaks(scene, account) {
      const key = scene.m.read(account.keys).trim();
      return signed({ keys: () => key })(scene, account);
    },
    verdict: "works",
  },
  {
    name: "a certificate for others",
    sshd: TRUSTED,
    breaks: signed({ principals: "somebody" }),
    ...unknown(HELD, false),
  },
  {
    name: "a certificate that has expired",
    sshd: TRUSTED,
    breaks: signed({ options: ["-V", "20200101:20200102"] }),
    ...unknown(HELD, false),
  },
  {
    name: "a certificate for another address",
    sshd: TRUSTED,
    breaks: signed({ options: ["-O", "source-address=10.0.0.0/8"] }),
    ...unknown(HELD, false),
  },
  {
    name: "a certificate for this address",
    sshd: TRUSTED,
    breaks: signed({ options: ["-O", "source-address=127.0.0.0/8"] }),
    ...unknown(HELD),
  },
  {
    name: "a certificate that runs a command",
    sshd: TRUSTED,
    breaks: signed({ options: ["-O", "force-command=false"] }),
    ...unknown(HELD, false),
  },
  {
    name: "the file of the certification authorities is missing",
    sshd: ["PasswordAuthentication no", "TrustedUserCAKeys /etc/ssh/none.pub"],
    breaks: signed(),
    ...refused,
  },
  {
    name: "the file of the certification authorities has no key",
    sshd: ["PasswordAuthentication no", "TrustedUserCAKeys /etc/ssh/none.pub"],
    breaks: signed({
      more({ m }) {
        m.write("/etc/ssh/none.pub", `# none\nnothing\n${m.read(`${CA}.pub`)}`);
        return () => m.remove("/etc/ssh/none.pub");
      },
    }),
    ...refused,
  },
  {
    name: "CASignatureAlgorithms without the type of the certification authority",
    sshd: [...TRUSTED, "CASignatureAlgorithms rsa-sha2-512,ecdsa-sha2-nistp256"],
    breaks: signed(),
    ...refused,
    log: /Certificate signed with disallowed algorithm|signature algorithm|Connection closed by authenticating/,
  },
  {
    name: "PubkeyAcceptedAlgorithms without certificates",
    sshd: [...TRUSTED, "PubkeyAcceptedAlgorithms ssh-ed25519,rsa-sha2-512"],
    breaks: signed(),
    ...refused,
  },
  {
    name: "a certification authority that is revoked",
    sshd: [...TRUSTED, "RevokedKeys /etc/ssh/revoked"],
    breaks: signed({ more: ({ m }) => m.write("/etc/ssh/revoked", m.read(`${CA}.pub`)) }),
    ...refused,
    log: /revoked by file/,
  },
  {
    name: "a list of ssh-keygen that revokes the certification authority",
    sshd: [...TRUSTED, "RevokedKeys /etc/ssh/revoked"],
    breaks: signed({
      more: ({ m }) => m.must(["ssh-keygen", "-q", "-k", "-f", "/etc/ssh/revoked", `${CA}.pub`]),
    }),
    ...unknown("the list is not read", false),
  },
  {
    name: "a list of ssh-keygen that revokes the serial number of the certificate",
    sshd: [...TRUSTED, "RevokedKeys /etc/ssh/revoked"],
    breaks: signed({
      more({ m }) {
        m.write("/root/serials", "serial: 7\n");
        m.must(["ssh-keygen", "-q", "-k", "-f", "/etc/ssh/revoked", "-s", `${CA}.pub`, "/root/serials"]);
      },
    }),
    ...unknown("the list is not read", false),
  },
  {
    name: "AuthorizedPrincipalsFile that names a principal of the certificate",
    sshd: WITH_PRINCIPALS,
    breaks: principals(() => "# staff\n\nstaff\n"),
    ...unknown(HELD),
  },
  {
    name: "AuthorizedPrincipalsFile that names another principal",
    sshd: WITH_PRINCIPALS,
    breaks: principals(() => "others\n"),
    ...unknown(HELD, false),
  },
  {
    name: "AuthorizedPrincipalsFile without a principal",
    sshd: WITH_PRINCIPALS,
    breaks: principals(() => "# staff\n\n"),
    ...refused,
  },
  {
    name: "no AuthorizedPrincipalsFile, and the certificate names the user",
    sshd: WITH_PRINCIPALS,
    breaks: signed(),
    ...refused,
  },
  {
    name: "AuthorizedPrincipalsFile that the user cannot read",
    sshd: WITH_PRINCIPALS,
    breaks: principals(
      () => "staff\n",
      ({ m }, { user }) => m.chmod(`${PRINCIPALS}/${user}`, 0o600),
    ),
    ...refused,
    mends: () => undefined,
  },
  {
    name: "AuthorizedPrincipalsFile that belongs to somebody else",
    sshd: WITH_PRINCIPALS,
    breaks: principals(
      () => "staff\n",
      ({ m }, { user }) => m.must(["chown", "somebody", `${PRINCIPALS}/${user}`]),
    ),
    ...refused,
    log: /bad ownership or modes for file/,
    mends: ({ m }, { user }) => m.write(`${PRINCIPALS}/${user}`, "staff\n"),
  },
  {
    name: "AuthorizedPrincipalsFile that belongs to somebody else, without StrictModes",
    sshd: [...WITH_PRINCIPALS, "StrictModes no"],
    breaks: principals(
      () => "staff\n",
      ({ m }, { user }) => m.must(["chown", "somebody", `${PRINCIPALS}/${user}`]),
    ),
    ...unknown(HELD),
  },
  {
    name: "AuthorizedPrincipalsCommand that names a principal",
    sshd: [
      ...TRUSTED,
      "AuthorizedPrincipalsCommand /usr/bin/echo staff",
      "AuthorizedPrincipalsCommandUser nobody",
    ],
    breaks: signed({ principals: "staff" }),
    ...unknown(HELD),
  },
  {
    name: "no AuthorizedPrincipalsFile, and AuthorizedPrincipalsCommand",
    sshd: [
      ...WITH_PRINCIPALS,
      "AuthorizedPrincipalsCommand /usr/bin/echo staff",
      "AuthorizedPrincipalsCommandUser nobody",
    ],
    breaks: signed({ principals: "staff" }),
    ...unknown(HELD),
  },
  line("cert-authority", unknown(HELD)),
  line('cert-authority,principals="staff,others"', unknown(HELD), { signed: { principals: "staff" } }),
  line('cert-authority,principals="others"', unknown(HELD, false), { signed: { principals: "staff" } }),
  line('cert-authority,principals=""', unknown(HELD, false)),
  line('cert-authority,expiry-time="20200101"', refused),
  line('cert-authority,from="10.0.0.1"', refused, { options: ["--from", "127.0.0.1"] }),
  line("cert-authority", refused, {
    name: "a line of authorized_keys for certificates of a revoked certification authority",
    sshd: ["PasswordAuthentication no", "RevokedKeys /etc/ssh/revoked"],
    signed: { more: ({ m }) => m.write("/etc/ssh/revoked", m.read(`${CA}.pub`)) },
    log: /revoked by file/,
  }),
  line("cert-authority", refused, {
    name: "a line of authorized_keys for certificates that CASignatureAlgorithms does not allow",
    sshd: ["PasswordAuthentication no", "CASignatureAlgorithms rsa-sha2-512"],
    log: /Certificate signed with disallowed algorithm|signature algorithm|Connection closed by authenticating/,
  }),
  line("cert-authority", refused, {
    name: "a line of authorized_keys for certificates, which PubkeyAcceptedAlgorithms does not allow",
    sshd: ["PasswordAuthentication no", "PubkeyAcceptedAlgorithms ssh-ed25519"],
  }),
  line("cert-authority", unknown(HELD), {
    name: "a line of authorized_keys for certificates, and RequiredRSASize larger than its key",
    sshd: ["PasswordAuthentication no", "RequiredRSASize 8192"],
  }),
  {
    name: "a key and a certificate are wanted, as two keys",
    sshd: [...TRUSTED, "AuthenticationMethods publickey,publickey"],
    breaks(scene, account) {
      const key = scene.m.read(account.keys).trim();
      return signed({ keys: () => key })(scene, account);
    },
    ...unknown(HELD, false),
  },
];

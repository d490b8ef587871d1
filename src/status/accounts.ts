import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { notInJailFinding, userFindings } from "../check/host.ts";
import { answered } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { isUsual } from "../declaration/known-file.ts";
import { readOnce } from "../declaration/once.ts";
import { declaredHere } from "../declaration/read.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { type JailedUser, namesOf } from "../jail/accounts/jailed-users.ts";
import { lookUp, withOneTree } from "../jail/fs/look.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { isInOrder, type JailFacts } from "../jails/jails.ts";
import { isLocalUser } from "../system/account-tools.ts";
import { isClosed } from "../users/leaving.ts";
import { bringBack } from "../users/open-jail.ts";

/** Why an account is not in its jail as it should be. */
export interface AccountFault {
  readonly kind: "shell" | "not-in-jail";
  readonly name: ByteString;
  /** What jk_check says, printable. */
  readonly message: ByteString;
  /** Undefined for an account that no command of this machine changes. */
  readonly remedy: ByteString | undefined;
}

/** The users of a jail whom its passwd lacks; none if it cannot be read. `first`: what brings the file back, if it is gone. */
function lackingIn({ path, users }: JailFacts) {
  const found = answered(() => {
    using root = openJailRoot(path);
    const isGone = lookUp(root, "/etc/passwd", { follow: true }) === undefined;
    return { ...readJailAccounts(root), first: isGone ? bringBack(root, "/etc/passwd") : undefined };
  });
  const there = found && namesOf(found.users);
  const lacking = there === undefined ? [] : users.filter(({ name }) => !there.has(name));
  return { jail: path, users: lacking, first: found?.first };
}

/**
 * The run of `jailkit apply` that puts a user into a jail, or removes one that is not declared there any more: that has begun
 * perhaps, and failed. Undefined for a user who was never declared there.
 */
function applying(): (user: JailedUser, jail: ByteString) => ByteString | undefined {
  const declared = declaredHere()?.users;
  const known = answered(() => readOnce().users) ?? [];
  return ({ name }, jail) => {
    if (declared?.get(name)?.jail === jail) return "jailkit apply";
    const file = known.find((one) => one.name === name && one.jail === jail)?.file;
    if (file === undefined || declared === undefined) return undefined;
    // What a named file declares now is not known here; its run says how the rest is removed.
    return isUsual(file) ? "jailkit apply --prune" : `jailkit apply ${operands(file)}`;
  };
}

/**
 * The users with a shell that leads out of their jail, and those whom a jail lacks, unless its own condition is a finding.
 * One whose login was closed, as by a shell nologin, is none of the first, and of each jk_chrootsh its own finding tells.
 */
export function accountFaults(jails: readonly JailFacts[]): AccountFault[] {
  const isOther = ({ shell }: JailedUser) => !isClosed(shell) && baseName(shell) !== "jk_chrootsh";
  const others = jails.flatMap(({ users }) => users.filter(isOther));
  const ofShells = others.flatMap((user) =>
    userFindings(user).flatMap(({ rule, message, remedy }): AccountFault[] =>
      rule === "wrong-shell" ? [{ kind: "shell", name: user.name, message, remedy }] : [],
    ),
  );
  const wanted = jails.filter((jail) => isInOrder(jail) && jail.users.length > 0);
  const lacking = withOneTree(() => wanted.map(lackingIn));
  if (lacking.every(({ users }) => users.length === 0)) return ofShells;
  const applied = applying();
  const ofJails = lacking.flatMap(({ jail, users, first }) =>
    users.map((user): AccountFault => {
      const { name } = user;
      const { message, remedy } = notInJailFinding(user, jail);
      const run = applied(user, jail);
      // Such as one of before that --prune has taken out of the files of the jail: nothing tells that any more.
      const other =
        run === undefined && isLocalUser(name) ? `; if the account is to go: userdel ${operands(name)}` : "";
      const command = run ?? remedy;
      const all = first === undefined || command === undefined ? command : `${first} && ${command}`;
      return { kind: "not-in-jail", name, message: message + other, remedy: all };
    }),
  );
  return [...ofShells, ...ofJails];
}

import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { IniSection } from "../../config/model.ts";
import { type JailAccounts, requireJailAccounts } from "../../jail/accounts/accounts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { readPolicies } from "../../users/policy.ts";
import { dueTo } from "../due.ts";
import { type HomeLine, homeLines } from "./fate.ts";

/**
 * The accounts and policies in a jail, each read once; empty for one that does not exist. `isClosed`: it cannot be used, so
 * that what it has is not known.
 */
export class InJail {
  #accounts: JailAccounts | undefined;
  #homes: readonly HomeLine[] | undefined;
  #policies: ReadonlyMap<ByteString, IniSection> | undefined;
  #sections: readonly IniSection[] | undefined;
  #hasPolicies: boolean | undefined;

  constructor(
    readonly root: JailRoot | undefined,
    readonly jail: ByteString,
    readonly isClosed: boolean,
    /** The same if it is closed: users may have changed it, so that nothing in it counts but homes, and rules of root alone. */
    readonly damaged?: JailRoot | undefined,
  ) {}

  /** Throws SystemError. */
  get accounts(): JailAccounts | undefined {
    const { root, jail } = this;
    this.#accounts ??= root && dueTo({ jail }, () => fixed(requireJailAccounts(root)));
    return this.#accounts;
  }

  /** The homes by its lines. Throws SystemError. */
  get homes(): readonly HomeLine[] {
    this.#homes ??= this.accounts === undefined ? [] : homeLines(this.accounts);
    return this.#homes;
  }

  /** The section of jk_lsh.ini for one user; of equal names the first counts. Throws JailkitError. */
  policyOf(name: ByteString): IniSection | undefined {
    this.#policies ??= new Map(this.policies.toReversed().map((section) => [section.name, section]));
    return this.#policies.get(name);
  }

  /** Whether the sections of jk_lsh.ini are known: what could not be read is not absent. */
  get hasPolicies(): boolean {
    this.#hasPolicies ??=
      !this.isClosed || (this.damaged !== undefined && answered(() => this.policies) !== undefined);
    return this.#hasPolicies;
  }

  /** All sections of jk_lsh.ini. Throws JailkitError. */
  get policies(): readonly IniSection[] {
    const { jail } = this;
    const root = this.root ?? this.damaged;
    this.#sections ??= root === undefined ? [] : dueTo({ jail }, () => readPolicies(root)).ini.sections;
    return this.#sections;
  }
}

/** The same accounts, by maps. */
export function fixed({ users, groups }: Pick<JailAccounts, "users" | "groups">): JailAccounts {
  const byName = new Map(users.toReversed().map((user) => [user.name, user]));
  const byUid = new Map(users.toReversed().map((user) => [user.uid, user]));
  const groupNames = new Map(groups.toReversed().map((group) => [group.name, group]));
  const gids = new Map(groups.toReversed().map((group) => [group.gid, group]));
  return {
    ...{ users, groups, userByName: (name) => byName.get(name), userByUid: (uid) => byUid.get(uid) },
    ...{ groupByName: (name) => groupNames.get(name), groupByGid: (gid) => gids.get(gid) },
  };
}

import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { normalPath, parentOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { errorWithCode } from "../cli/error.ts";
import { type Fix, keyPlace } from "../config/model.ts";
import { InJail } from "../declaration/compare/in-jail.ts";
import { DECLARED } from "../declaration/compare/intent.ts";
import { policyState } from "../declaration/compare/look-policy.ts";
import { Machine, requireOwnDropIn } from "../declaration/compare/machine.ts";
import type { ReportMachine } from "../declaration/machine-findings.ts";
import type { DeclaredUser } from "../declaration/model.ts";
import { placeOfFault } from "../declaration/place-of-fault.ts";
import { homeInside } from "../jail/accounts/home-place.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { lookUp } from "../jail/fs/look.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { dirsEqual, jailOfHome, joinHome, normalHome } from "../system/separator.ts";
import { sameKeys } from "../transfer/sections.ts";
import { homeFor } from "../users/jail-side.ts";
import { requireOneHome, requireOnePlace } from "../users/one-home.ts";
import { requireReplaceable } from "../users/policy.ts";
import { requireSafePlace } from "../users/safe-place.ts";

/**
 * Reports users whose home would be created in that of another one, or is another directory for the host, and whose rights would be
 * written beside a section that root has made. What the machine has as declared is left alone.
 */
export class PlaceLint implements Disposable {
  readonly #machine = new Machine();
  /** By jail and home: of users with the same one, any. */
  readonly #byHome: ReadonlyMap<string, DeclaredUser>;
  #last: InJail | undefined;

  /** `users`: all who are declared. */
  constructor(users: readonly DeclaredUser[]) {
    const known = users.filter((one) => !keepsHome(one));
    this.#byHome = new Map(known.map((one) => [placeOf(one.jail, normalPath(one.home)), one]));
  }

  [Symbol.dispose](): void {
    this.#last?.root?.[Symbol.dispose]();
    this.#last = undefined;
  }

  /** The users of one jail come one after the other. Throws JailkitError or SystemError for a jail that cannot be looked at. */
  lint(user: DeclaredUser, report: ReportMachine): void {
    const { section } = user.place;
    if (section === undefined) return;
    const nested = this.#nestedHome(user);
    const say = (what: string) => `${quoted(user.name)}: ${what}`;
    if (nested !== undefined)
      report(keyPlace(section, "home"), "error", "inside-home", say(nested), { kind: "none" });
    const two = this.#twoHomes(user);
    if (two !== undefined) {
      const fix: Fix = two.remedy === "" ? { kind: "none" } : { kind: "command", text: two.remedy };
      report(
        two.ofKeys ? keyPlace(section, "authorized_keys") : section,
        "error",
        "two-homes",
        say(two.message),
        fix,
      );
    }
    const exists = this.#otherSection(user);
    if (exists === undefined) return;
    const at = placeOfFault(user.place, { code: "policy-exists" });
    report(at, "error", "policy-exists", say(exists), { kind: "none" });
  }

  /** Thousands may live in one jail; of thousands of jails one is open. */
  #inside(jail: ByteString): InJail {
    if (this.#last?.jail === jail) return this.#last;
    this[Symbol.dispose]();
    this.#last = new InJail(isMissing(jail) ? undefined : openJailRoot(jail), jail, false);
    return this.#last;
  }

  /** Why the home of an account that comes into the jail is not created, if it is in that of another declared user. */
  #nestedHome(user: DeclaredUser): string | undefined {
    const own = normalPath(user.home);
    const outer: DeclaredUser[] = [];
    for (let above = parentOf(own); above !== ""; above = parentOf(above)) {
      const found = this.#byHome.get(placeOf(user.jail, above));
      if (found !== undefined) outer.push(found);
    }
    if (outer.length === 0 || keepsHome(user)) return undefined;
    const account = this.#machine.accounts.userByName(user.name);
    if (account !== undefined && dirsEqual(normalHome(account.home), joinHome(user.jail, user.home)))
      return undefined;
    const { root } = this.#inside(user.jail);
    const missing = outer.find(
      ({ home }) => root === undefined || lookUp(root, normalPath(home)) === undefined,
    );
    if (missing !== undefined) return homeInside(user.home, missing, DECLARED.home);
    if (root === undefined || lookUp(root, own) !== undefined) return undefined;
    return messageOf("unsafe-parent", () => requireSafePlace(root, own, DECLARED.home));
  }

  /** Why the home of an account that is in the jail, or comes into it, is not that of the host; `ofKeys`: no key is added there. */
  #twoHomes({ name, jail, directory, keys = [] }: DeclaredUser) {
    const account = this.#machine.accounts.userByName(name);
    const there = account && jailOfHome(account.home);
    if (account === undefined || !(directory || there === undefined || there === jail)) return undefined;
    const { root } = this.#inside(jail);
    if (root === undefined) return undefined;
    const home = homeFor(account, jail);
    const place = errorWithCode("two-homes", () => requireOnePlace(root, home));
    if (place !== undefined) return { message: place.message, remedy: place.remedy, ofKeys: false };
    // Keys are added where the account is.
    const own =
      keys.length > 0 && (directory || there === jail)
        ? errorWithCode("two-homes", () => requireOneHome(root, home))
        : undefined;
    return own && { message: own.message, remedy: own.remedy, ofKeys: true };
  }

  /** Why the rights of a user are not written, if they differ from those in a section of root's. */
  #otherSection(user: DeclaredUser): string | undefined {
    const { name, shell } = user;
    if (user.policy === undefined) return undefined;
    const inside = this.#inside(user.jail);
    const { root } = inside;
    const { policy, wantedPolicy } = policyState(user, inside, this.#machine, undefined);
    if (wantedPolicy === undefined || (policy !== undefined && sameKeys(policy, wantedPolicy)))
      return undefined;
    return messageOf("policy-exists", () => {
      if (!isLimitedShell(shell)) requireOwnDropIn(name);
      else if (root !== undefined) requireReplaceable(root, inside.policyOf(name));
    });
  }
}

const placeOf = (jail: ByteString, path: ByteString): string => `${jail}\0${path}`;

/** Which home an account of a directory has is told elsewhere. */
const keepsHome = ({ keeps = [] }: DeclaredUser): boolean => keeps.includes("home");

const messageOf = (code: string, require: () => void) => errorWithCode(code, require)?.message;

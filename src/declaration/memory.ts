import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import { Begun } from "./begun.ts";
import type { Change } from "./change.ts";
import type { Comparison } from "./compare/compare.ts";
import { changesOf, type JailWork, type UserWork } from "./compare/work.ts";
import { asCreated, dayOf } from "./creating.ts";
import { homeIdOf, jailIdAt } from "./ids.ts";
import { createdHomeOf, jailForgotten, KeptHomes, wholeJail } from "./kept-homes.ts";
import { keptOfFormer, withKept, withoutKept, withoutLost } from "./kept-where.ts";
import type { Declaration, DeclaredJail, DeclaredUser } from "./model.ts";
import { addOnce, createdOf, ended, isWritten, writeOnce } from "./once.ts";
import { declaredIn, onceJailOf, sameOr, settledUser, userNow, withHomeId, withoutKeys } from "./once-of.ts";
import type { Creating, KeptHome, Once, OnceJail, OnceUser } from "./once-shape.ts";
import { uidOf } from "./once-shape.ts";

/** What counts of the comparison with the machine. */
type Compared = Pick<Comparison, "jails" | "settledLeft" | "forgotten" | "letGo" | "out">;

/** What was declared once, while a declaration is carried out. */
export class Memory {
  readonly #jails: Map<ByteString, OnceJail>;
  readonly #users: Map<ByteString, OnceUser>;
  /** Users as they were declared before. */
  readonly #before: ReadonlyMap<ByteString, OnceUser>;
  /** The same of jails. */
  readonly #wereJails: ReadonlyMap<ByteString, OnceJail>;
  #begun: Begun;
  #kept: readonly KeptHome[];
  #isTidy = false;
  #creating: readonly Creating[];
  #written: Once;
  /** The file has lines about what was begun. */
  #hasMore = false;
  #changed = true;

  /**
   * `written`: what the file has, without what was found out since, as of renamed accounts. `pathOf`: the path that an operand
   * of jk_cp means. `beside`: what other files declare, and goes on to be so.
   */
  constructor(
    before: Once,
    written: Once,
    private readonly pathOf: (operand: ByteString) => ByteString,
    private readonly beside?: Declaration,
  ) {
    this.#written = written;
    this.#jails = new Map(before.jails.map((jail) => [jail.path, jail]));
    this.#users = new Map(before.users.map((user) => [user.name, user]));
    this.#before = new Map(this.#users);
    this.#wereJails = new Map(this.#jails);
    this.#begun = new Begun([], { jail: this.#wereJails, user: this.#before });
    this.#kept = before.kept;
    this.#creating = before.creating;
  }

  /** Adds all that is declared, and forgets what is not there. What is to be given counts when it is begun. */
  declare({ jails, users }: Declaration, gone: Compared): void {
    this.#begun = new Begun(gone.jails.flatMap(changesOf), { jail: this.#wereJails, user: this.#before });
    // Of what is refused, nothing is made: what is there is of others, and --prune must leave it to them.
    const refused = new Set(gone.jails.flatMap(({ path, fault }) => (fault === undefined ? [] : path)));
    const works = new Map(gone.jails.flatMap((jail) => jail.users.map((one) => [one.declared.name, one])));
    const ids = new Map(gone.jails.map(({ path, directoryId }) => [path, directoryId]));
    for (const jail of jails) {
      const once = this.#jails.get(jail.path);
      if (!refused.has(jail.path)) this.#addJail(jail, once, ids.get(jail.path));
      else if (once !== undefined) this.#jails.set(jail.path, declaredIn(jail.place, once));
    }
    for (const user of users) this.#addUser(user, works.get(user.name));
    for (const { name, jail } of gone.settledLeft) this.forgetLeft(name, jail);
    for (const { of, name, isOther } of gone.forgotten) {
      if (of === "user") this.#keepHome(this.#users.get(name), isOther);
      // One that was begun has still to get its password field.
      this.#drop(of, name);
    }
    this.letGo(gone.letGo);
    if (this.#kept.length > this.#written.kept.length) this.#tidy();
    // What becomes of it now is not of apply.
    for (const user of gone.out.flatMap((name) => this.#users.get(name) ?? []))
      if (!user.out) this.#change(user.name, { out: true, ...createdOf(undefined), uid: uidOf(user) });
  }

  /** What was declared of a user before this run. */
  before = (name: ByteString): OnceUser | undefined => this.#before.get(name);

  /** Accounts that were about to be created when a run was killed, and are there. */
  creating = (): readonly Creating[] => this.#creating;

  /** Records that an account is about to be created: at once, as all of these, since a run may be killed in between. */
  intend(one: Creating): void {
    this.#tidy();
    this.#creating = [...this.#creating, one];
    this.#changed = true;
    this.write();
  }

  /** Records an account that was created. */
  created(name: ByteString, uid: number, home: ByteString | undefined): void {
    const user = this.#users.get(name);
    if (user === undefined) return;
    const { now, left } = asCreated(user, { name, uid }, home);
    this.#change(name, now);
    this.#kept = left.reduce(withKept, withoutLost(this.#kept, now));
    this.write();
  }

  /** Forgets that an account was about to be created. */
  settled({ mark, name }: Pick<Creating, "mark" | "name">): void {
    // The password field that it has now is of today.
    if (this.#users.get(name)?.created !== undefined) this.#change(name, { createdDay: dayOf(name) });
    this.#creating = this.#creating.filter((one) => one.mark !== mark);
    this.#changed = true;
  }

  /** Records where the home is that apply created for a user; undefined: it is removed. */
  moved(name: ByteString, createdHome: ByteString | undefined): void {
    const uid = this.#users.get(name)?.created;
    this.#change(name, { createdHome, homeId: uid && createdHome ? homeIdOf(createdHome, uid) : undefined });
    this.write();
  }

  /** Records a home that is about to stay without its account: at once, unless the user is remembered with it. */
  stays(home: KeptHome): void {
    this.#keep(home);
    if (createdHomeOf(this.#users.get(home.name))?.home !== home.home) this.write();
  }

  /** Keeps the home that apply created for a user; `isOther`: another one may be in its place. */
  #keepHome(user: OnceUser | undefined, isOther = false): void {
    const home = createdHomeOf(user);
    if (home !== undefined) this.#keep(isOther ? { ...home, created: undefined } : home);
  }

  #keep(home: KeptHome): void {
    this.#kept = withKept(this.#kept, home);
    this.#changed = true;
  }

  /** Each change of which directory a jail is: uids of the one of before stay reserved. */
  #putJail(now: OnceJail): void {
    const all = () => [...this.#kept, ...[...this.#before.values()].flatMap(wholeJail)];
    for (const one of keptOfFormer(this.#jails.get(now.path), now, all)) this.#keep(one);
    this.#jails.set(now.path, now);
  }

  /** Forgets what had uids without an account, and has them no more. */
  letGo(homes: readonly KeptHome[]): void {
    if (homes.length === 0) return;
    this.#kept = withoutKept(this.#kept, homes);
    this.#changed = true;
  }

  /** Forgets homes that are not there any more: once in a run that creates accounts, since there may be thousands. */
  #tidy(): void {
    if (!this.#isTidy) this.#kept = new KeptHomes(this.#now()).all();
    this.#isTidy = true;
  }

  /** Forgets what a user has left in a jail of before; for one who is not declared any more, that may be the last one. */
  forgetLeft(name: ByteString, jail: ByteString): void {
    const user = this.#users.get(name);
    if (user === undefined) return;
    if (user.jail === jail) this.#change(name, { policy: false, otherPolicy: false });
    else this.#change(name, { left: user.left.filter((one) => one.jail !== jail) });
  }

  /** Forgets the groups or keys of an account that is in no jail any more. `leaves`: keys, not before it leaves. */
  takenBack(name: ByteString, what: Change["what"], leaves = false): void {
    const keys = leaves ? { keysTaken: true } : { keys: [] };
    this.#change(name, what === "groups" ? { groups: [], groupIds: [] } : keys);
  }

  #change(name: ByteString, to: Partial<OnceUser>): void {
    const user = this.#users.get(name);
    if (user === undefined) return;
    this.#put(name, { ...user, ...to });
    this.#changed = true;
  }

  /** Each change of a user: what does not tell any more in which jail an account was goes to what is kept. */
  #put(name: ByteString, now: OnceUser | undefined): void {
    for (const jail of jailForgotten(this.#users.get(name), now)) this.#keep(jail);
    if (now === undefined) this.#users.delete(name);
    else this.#users.set(name, now);
  }

  /** Forgets what was removed from a jail, or of a user. */
  settleJail(jail: DeclaredJail): void {
    const other = this.beside?.jails.find(({ path }) => path === jail.path);
    if (other !== undefined) this.#addJail(other, undefined);
    this.#addJail(jail, other && this.#jails.get(jail.path));
    this.#changed = true;
  }

  /** The same of a user. */
  settleUser(user: DeclaredUser): void {
    const before = this.#users.get(user.name);
    const other = this.beside?.users.find(({ name, jail }) => name === user.name && jail === user.jail);
    this.#put(user.name, settledUser(user, other, before));
    this.#changed = true;
  }

  /** Records which directories a jail and the homes of users are that this run has changed: its end writes that. */
  identify({ path, changes, users }: Pick<JailWork, "path" | "changes" | "users">): void {
    const jail = this.#jails.get(path);
    const directoryId = changes.length === 0 ? undefined : jailIdAt(path);
    if (jail !== undefined && directoryId !== undefined)
      this.#putJail(sameOr(jail, { ...jail, directoryId }));
    for (const { declared, changes } of users) {
      const user = this.#users.get(declared.name);
      if (user !== undefined && changes.length > 0) this.#put(user.name, sameOr(user, withHomeId(user)));
    }
  }

  /** Records changes of a jail or user that are about to be made: at once, since a run may be killed. Throws as write does. */
  begin(changes: readonly Change[]): void {
    const begun = changes.filter((change) => this.#begun.begin(change));
    const names = (which: Change["of"]) =>
      new Set(begun.flatMap(({ of, name }) => (of === which ? name : [])));
    if (begun.length === 0) return;
    this.#hasMore = true;
    addOnce(this.#counting(names("jail"), names("user")));
  }

  /** Gets what has become of a change. */
  ended(change: Change, status: Parameters<Begun["end"]>[1]): void {
    if (this.#begun.end(change, status)) this.#changed = true;
    // What was found and removed is gone, also of a user of whom something else failed.
    const user = status === "done" && change.of === "user" ? this.#users.get(change.name) : undefined;
    const now = user && withoutKeys(user, change);
    if (now !== user) this.#change(change.name, { ...now });
  }

  /** Forgets live directories that are not in a jail any more. */
  forgetLive(path: ByteString, directories: readonly ByteString[]): void {
    const jail = this.#jails.get(path);
    if (jail === undefined || directories.length === 0) return;
    this.#jails.set(path, { ...jail, live: jail.live.filter((one) => !directories.includes(one)) });
    this.#changed = true;
  }

  /** Forgets a jail or a user; of one that `stays` in the jail, all but that it has no line there, so that nobody puts it back. */
  forget(of: "jail" | "user", name: ByteString, stays: boolean): void {
    if (stays) this.#change(name, ended(this.#users.get(name)));
    else this.#drop(of, name);
    if (of === "user") this.#creating = this.#creating.filter((one) => one.name !== name);
  }

  #drop(of: "jail" | "user", name: ByteString): void {
    if (of === "jail") this.#jails.delete(name);
    else this.#put(name, undefined);
    this.#changed = true;
  }

  /** The homes that have no account now, or may have none any more. */
  keptHomes = (): KeptHomes => new KeptHomes(this.#now());

  /** True if the file has all of it. */
  isWritten = (): boolean => isWritten(this.#written, this.#now());

  /** What counts of all that is declared, when that is made. */
  all = (): Once => ({
    ...{ jails: [...this.#jails.values()], users: [...this.#users.values()] },
    ...{ kept: this.#kept, creating: this.#creating },
  });

  /** Writes what has changed, or all. Throws SystemError, JailkitError. */
  write(all = false): void {
    if (!(this.#changed || all)) return;
    const now = this.#now();
    writeOnce(this.#written, now, all || this.#hasMore);
    this.#written = now;
    this.#changed = this.#hasMore = false;
  }

  /** The same between two changes that do not need it: where it fails, the last one does too, and tells it. */
  save = (): void => answered(() => this.write());

  #counting = (jails: Iterable<ByteString>, users: Iterable<ByteString>): Pick<Once, "jails" | "users"> => ({
    jails: this.#begun.counting("jail", jails, this.#jails),
    users: this.#begun.counting("user", users, this.#users),
  });

  #now = (): Once => ({
    ...this.#counting(this.#jails.keys(), this.#users.keys()),
    ...{ kept: this.#kept, creating: this.#creating },
  });

  /** `directoryId`: which directory it is now; undefined if that is not known, or as it was. */
  #addJail(declared: DeclaredJail, once: OnceJail | undefined, directoryId?: ByteString): void {
    const before = this.#jails.get(declared.path);
    const now = onceJailOf(declared, once, this.pathOf, directoryId);
    const id = directoryId ?? before?.directoryId;
    this.#putJail(sameOr(before, { ...now, directoryId: id, formerly: (before ?? now).formerly }));
  }

  #addUser(user: DeclaredUser, work: Partial<UserWork> = {}): void {
    const before = this.#users.get(user.name);
    const now = userNow(user, work, before);
    if (!user.directory && now?.created === undefined) this.#keepHome(before, true);
    this.#put(user.name, now);
  }
}

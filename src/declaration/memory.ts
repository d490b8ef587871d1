import type { ByteString } from "../../ffi/bytes.ts";
import { isLimitedShell } from "../users/access.ts";
import type { Declaration, DeclaredJail, DeclaredUser } from "./model.ts";
import { type Once, type OnceJail, type OnceUser, policiesOf, sumOf, writeOnce } from "./once.ts";

const union = (one: readonly ByteString[] = [], other: readonly ByteString[]) => [
  ...new Set([...one, ...other]),
];

/** What was declared once, while a declaration is carried out. */
export class Memory {
  readonly #jails: Map<ByteString, OnceJail>;
  readonly #users: Map<ByteString, OnceUser>;
  /** Users as they were declared before. */
  readonly #before: ReadonlyMap<ByteString, OnceUser>;
  #written: Once;
  #changed = true;

  /** `pathOf`: the path that an operand of jk_cp means. */
  constructor(
    before: Once,
    private readonly pathOf: (operand: ByteString) => ByteString,
  ) {
    this.#written = before;
    this.#jails = new Map(before.jails.map((jail) => [jail.path, jail]));
    this.#users = new Map(before.users.map((user) => [user.name, user]));
    this.#before = new Map(this.#users);
  }

  /** Adds all that is declared, and writes it: before the first change, so that a run that is killed has it. */
  declare({ jails, users }: Declaration): void {
    for (const jail of jails) this.#addJail(jail, this.#jails.get(jail.path));
    for (const user of users) this.#addUser(user, this.#users.get(user.name));
    this.write();
  }

  /** What was declared of a user before this run. */
  before = (name: ByteString): OnceUser | undefined => this.#before.get(name);

  /** Records an account that was created. */
  created(name: ByteString, created: Pick<OnceUser, "created" | "createdHome">): void {
    const user = this.#users.get(name);
    if (user === undefined) return;
    this.#users.set(name, { ...user, ...created });
    this.#changed = true;
  }

  /** Forgets what was removed from a jail, or of a user. */
  settleJail(jail: DeclaredJail): void {
    this.#addJail(jail, undefined);
    this.#changed = true;
  }

  /** The same of a user. */
  settleUser(user: DeclaredUser): void {
    const { created, createdHome } = this.#users.get(user.name) ?? {};
    this.#addUser(user, undefined);
    this.created(user.name, { created, createdHome });
  }

  /** Forgets a jail or a user. */
  forget(of: "jail" | "user", name: ByteString): void {
    if (of === "jail") this.#jails.delete(name);
    else this.#users.delete(name);
    this.#changed = true;
  }

  /** Writes what has changed. */
  write(): void {
    if (!this.#changed) return;
    this.#changed = false;
    const now = { jails: [...this.#jails.values()], users: [...this.#users.values()] };
    writeOnce(this.#written, now);
    this.#written = now;
  }

  #addJail({ path, place, sections, files }: DeclaredJail, once: OnceJail | undefined): void {
    const paths = files.map(this.pathOf);
    const all = { sections: union(once?.sections, sections), files: union(once?.files, paths) };
    this.#jails.set(path, { path, file: place.file, ...all });
  }

  #addUser(user: DeclaredUser, once: OnceUser | undefined): void {
    const { name, place, jail, directory, groups, keys = [], policy, shell } = user;
    const isSame = once?.jail === jail;
    const limited = policy === undefined && isSame ? once.limited : isLimitedShell(shell);
    this.#users.set(name, {
      ...{ name, file: place.file, jail, directory },
      created: once?.created,
      createdHome: isSame ? once.createdHome : undefined,
      limited,
      policy: policy !== undefined || (isSame && once.policy),
      otherPolicy: isSame && policiesOf(once).includes(!limited),
      groups: union(once?.groups, groups),
      keys: union(
        once?.keys,
        keys.map(({ key }) => sumOf(key)),
      ),
    });
  }
}

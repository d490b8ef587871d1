import type { ByteString } from "../../ffi/bytes.ts";
import { isReported } from "../cli/error.ts";

/** The key of a section that something is due to, and the item of its list. */
export interface DueKey {
  readonly key: string | undefined;
  readonly item?: ByteString | undefined;
}

/** The same, or the jail whose failure it is. */
type Due = DueKey | { readonly jail: ByteString };

const DUES = new WeakMap<object, Due>();

/** Says what an error is due to, unless it is known already. Returns the error. */
export function withDue<E extends object>(error: E, due: Due): E {
  if (!DUES.has(error)) DUES.set(error, due);
  return error;
}

/** The result of `look`; what it throws is due to this. */
export function dueTo<T>(due: Due, look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw isReported(error) ? withDue(error, due) : error;
  }
}

/** What an error is due to; undefined if nobody has said it. */
export const dueOf = (error: object): Due | undefined => DUES.get(error);

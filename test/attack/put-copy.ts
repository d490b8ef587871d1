import type { CompleteCopy } from "../../src/jail/fs/copy-home.ts";

/** Gives a copy its place, as a move does that goes on. */
export function putCopy(copy: CompleteCopy): void {
  try {
    copy.place();
  } catch (error) {
    copy.drop();
    throw error;
  } finally {
    copy.close();
  }
}

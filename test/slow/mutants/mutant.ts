export interface Mutant {
  /** The file, from the root of the checkout. */
  file: string;
  /** The text that is changed. It occurs exactly once in the file. */
  from: string;
  to: string;
  /** The file of tests, from the folder test/. */
  test: string;
  /** A regular expression for the titles that run; all of the file where it is not given. */
  title?: string;
  /** No test fails, for this reason: the program behaves the same. */
  equivalent?: string;
}

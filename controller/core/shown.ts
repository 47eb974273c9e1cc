import type { Condition } from '#shared/model/index.ts'

/** What is shown of a resource besides what is stored of it. */
export type Shown = {
  readonly status: Readonly<Record<string, unknown>>
  readonly conditions?: readonly Condition[]
  readonly observedGeneration?: number
}

/** Puts a condition together; what is said has a word for programs and a sentence for people. */
export const condition = (
  type: string,
  status: Condition['status'] | boolean,
  said: { readonly reason: string; readonly message: string }
): Condition => ({ type, status: String(status) as Condition['status'], ...said })

/**
 * The tables of the journal, in a schema of their own.
 *
 * `journal` has one row. Whoever appends moves its head on and checks its `fence` in the statement
 * that inserts the entries; raising the epoch changes the fence. Who only clears up or stores
 * chunks keeps the row from being raised meanwhile, which does not hold up who appends.
 */
import { Fault } from '#shared/fault.ts'
import { firstLink } from './entry-codec.ts'
import type { Database } from './postgres-connection.ts'

/** The layout that this code writes; it refuses a higher one. */
const formatOurs = 1

/** Channel on which those who follow are told. */
export const channel = 'remuda_journal'

const tables = `
begin;
select pg_advisory_xact_lock(7206836);
create schema if not exists remuda;
create table if not exists remuda.journal (
  one boolean primary key default true check (one),
  format integer not null,
  cloud text not null,
  epoch bigint not null,
  fence bigint not null,
  holder text not null,
  position bigint not null,
  hash text not null,
  entry_epoch bigint not null,
  anchor_position bigint not null,
  anchor_hash text not null,
  anchor_epoch bigint not null
) with (fillfactor = 10);
create table if not exists remuda.batches (
  first bigint primary key,
  last bigint not null,
  bytes bytea not null
);
create index if not exists batches_last on remuda.batches (last);
create table if not exists remuda.checkpoint (
  one boolean primary key default true check (one),
  serial bigint not null,
  position bigint not null,
  hash text not null,
  epoch bigint not null,
  listing text not null
);
create table if not exists remuda.chunks (
  serial bigint,
  name text,
  bytes bytea not null,
  primary key (serial, name)
);
alter table remuda.batches alter column bytes set storage external;
alter table remuda.chunks alter column bytes set storage external;
commit;
`

/**
 * Makes the tables where there are none, for the cloud of this name. Faults: `conflict` when
 * another cloud lives in the database, `invalid` when a newer release has written there.
 */
export async function prepareTables(
  connection: Database,
  { cloud, where }: { readonly cloud: string; readonly where: string }
): Promise<void> {
  const [found] = await connection.query("select to_regclass('remuda.chunks') is not null as made")
  if (found?.['made'] !== true) await connection.query(tables)
  await connection.query(
    `insert into remuda.journal
     values (true, $1, $2, 0, 0, '', 0, $3, 0, 0, $3, 0) on conflict do nothing`,
    [formatOurs, cloud, firstLink.hash]
  )
  const [row] = await connection.query('select format, cloud from remuda.journal')
  const format = Number(row?.['format'])
  if (format > formatOurs) {
    throw new Fault('invalid', `cannot open ${where}: its format is ${format}`, {
      reasons: [`this release reads formats up to ${formatOurs}`],
      next: ['run the release that wrote it, or a newer one']
    })
  }
  if (row?.['cloud'] === cloud) return
  throw new Fault('conflict', `cannot open ${where}: it is of the cloud "${row?.['cloud']}"`, {
    reasons: [`this cloud is "${cloud}", and a database holds one`],
    next: ['give this cloud a database of its own']
  })
}

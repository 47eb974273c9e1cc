import test from 'ava'
import { hostRules, switchRules } from '../../../tools/lab/keeper/cuts.ts'

const portsOf = (host: string): readonly string[] => [host, `${host}-net`]
const rulesIn = (text: string): readonly string[] =>
  text.split('\n').flatMap(line => (line.endsWith(' drop') ? [line.trim()] : []))

test('without cuts everything passes', t => {
  t.deepEqual(rulesIn(switchRules([], portsOf)), [])
  t.deepEqual(rulesIn(hostRules([])), [])
})

test('two groups are cut off from each other in both networks, and not within', t => {
  t.deepEqual(rulesIn(switchRules([{ groups: [['h1', 'h2'], ['h3']], oneWay: false }], portsOf)), [
    'iifname { "h1", "h1-net", "h2", "h2-net" } oifname { "h3", "h3-net" } drop',
    'iifname { "h3", "h3-net" } oifname { "h1", "h1-net", "h2", "h2-net" } drop'
  ])
})

test('one way, only what earlier groups send to later ones is lost', t => {
  t.deepEqual(rulesIn(switchRules([{ groups: [['h1'], ['h2'], ['h3']], oneWay: true }], portsOf)), [
    'iifname { "h1", "h1-net" } oifname { "h2", "h2-net" } drop',
    'iifname { "h1", "h1-net" } oifname { "h3", "h3-net" } drop',
    'iifname { "h2", "h2-net" } oifname { "h3", "h3-net" } drop'
  ])
})

test('a service is cut by its ports, where its users are', t => {
  t.deepEqual(rulesIn(hostRules([{ hosts: ['h1'], from: 'zookeeper', oneWay: false }])), [
    'tcp dport { 2181 } drop',
    'tcp sport { 2181 } drop'
  ])
  t.deepEqual(rulesIn(hostRules([{ hosts: ['h1'], from: 'ensemble', oneWay: true }])), [
    'tcp dport { 2888, 3888 } drop'
  ])
})

test('cuts of hosts and of services do not meet', t => {
  const cut = { hosts: ['h1'], from: 'api', oneWay: false } as const
  t.deepEqual(rulesIn(switchRules([cut], portsOf)), [])
})

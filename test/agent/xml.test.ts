import test from 'ava'
import fc from 'fast-check'
import { Fault } from '#shared/fault.ts'
import { childOf, parseXml } from '../../agent/io/xml.ts'

test('a document becomes a tree of local names, namespaces, attributes and text', t => {
  const root = parseXml(
    `<?xml version='1.0'?>
    <a:x xmlns:a='n' k='1' a:l='&quot;2'>one<!-- not
    this --><y>&lt;two&#33;</y><![CDATA[<&]]></a:x>`,
    'it'
  )
  t.is(root.name, 'x')
  t.is(root.namespace, 'n')
  t.is(root.attributes['k'], '1')
  t.is(root.attributes['a:l'], '"2')
  t.is(root.text, 'one<&')
  t.is(childOf(root, 'y')?.text, '<two!')
  t.is(childOf(root, 'y', 'z'), undefined)
})

const malformed = [
  '',
  'text',
  '<a>',
  '<a><b></a></b>',
  '<a/><b/>',
  '<a b=c/>',
  '<a b="1" b="2"/>',
  '<a>&unknown;</a>',
  '<x:a/>',
  '<a>\u0001</a>',
  '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
  '<a>'.repeat(300) + '</a>'.repeat(300)
]

for (const text of malformed) {
  test(`${JSON.stringify(text.slice(0, 50))} is refused`, t => {
    t.throws(() => parseXml(text, 'the thing'), {
      instanceOf: Fault,
      code: 'invalid',
      message: /^cannot read the thing as XML: /
    })
  })
}

test('any text gives a tree or a fault', t => {
  const pieces = fc.constantFrom(
    '<a>',
    '</a>',
    '<',
    '>',
    '&',
    ';',
    '"',
    "'",
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    'x:'
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string())), parts => {
      try {
        parseXml(parts.join(''), 'it')
      } catch (thrown) {
        if (!(thrown instanceof Fault) || thrown.code !== 'invalid') throw thrown
      }
    })
  )
  t.pass()
})

"""Regenerates expressions.jsonl: python expressions.py    (one template a line, rendered in both settings with prompts_doc.json)"""
import sys
sys.dont_write_bytecode = True
import json, warnings
from pathlib import Path
import chatlib as C

HERE = Path(__file__).resolve().parent
# Expressions, each to stand between {{ and }}; " | " divides them.
EXPRESSIONS = r"""
'Hello World'.swapcase() | 'hELLO wORLD'.title() | "they're bill's".title() | 'ǆabc'.title() | 'ŉa'.capitalize() | 'ΑΣ ΑΣΑ Σ'.lower() | 'straße'.upper() | 'ﬁne'.upper() | 'İ'.lower() | 'ẞ'.casefold() | 'Straße'.casefold()
'abc'.center(8) | 'abcd'.center(7,'*') | 'abc'.center(6) | 'abcd'.center(9,'é') | 'a'.ljust(4)+'|' | 'a'.rjust(4,'0') | '-42'.zfill(6) | '+a'.zfill(5) | 'a\tb\tcd'.expandtabs() | 'a\tb'.expandtabs(4)
'abcabc'.find('c') | 'abcabc'.rfind('c') | 'abcabc'.find('x') | 'abcabc'.find('c',3) | 'abcabc'.find('a',1,3) | 'abcabc'.rfind('a',0,3) | ''.find('') | 'abc'.find('',5) | 'abc'.find('',3) | 'abc'.rfind('') | 'あいう'.find('う') | 'あいうあいう'.rfind('い') | 'abcabc'.index('z') | 'aaa'.count('a') | 'aaa'.count('aa') | 'aaa'.count('') | 'あ'.count('') | 'abc'.count('a',1) | 'abcabc'.rindex('b')
'a,b,c'.split(',',1) | 'a,b,c'.rsplit(',',1) | ' a b  c '.split() | ' a b  c '.split(None,1) | ' a b  c '.rsplit(None,1) | ' a b  c '.split(' ') | ''.split() | ''.split(',') | 'a'.split('') | 'a--b--c'.split('--') | 'aXbXc'.rsplit('X') | 'a b c'.split(maxsplit=1) | 'a\u3000b'.split() | 'x'.split('x')
'a\nb\r\nc\rd\x0be\x1cf\u2028g'.splitlines() | 'a\n\nb\n'.splitlines(true) | ''.splitlines() | '\n'.splitlines() | 'a.b.c'.partition('.') | 'a.b.c'.rpartition('.') | 'abc'.partition('x') | 'abc'.rpartition('x')
'abcabc'.replace('b','XX') | 'abc'.replace('','-') | 'あい'.replace('','-') | 'abc'.replace('','-',2) | 'aaaa'.replace('a','b',2) | 'aaaa'.replace('a','b',0) | 'abc'.removeprefix('a') | 'abc'.removesuffix('bc') | 'abc'.removesuffix('') | 'xxabcxx'.strip('x') | 'xyabcyx'.lstrip('xy') | '  a '.rstrip() ~ '|' | '\u00a0a\u200b'.strip() | 'abc'.strip('') | '\x1ca\x1f'.strip()
'abc'.startswith('a') | 'abc'.startswith(('x','a')) | 'abc'.endswith('bc',1) | 'abc'.endswith(('q',)) | 'abc'.startswith('b',1) | 'abc'.startswith('') | 'abc'.startswith('',4) | 'abc'.endswith('c',0,2)
'abc'.isalpha() | 'ab1'.isalnum() | '１２'.isdigit() | '²'.isdigit() | '²'.isdecimal() | '一二'.isnumeric() | '½'.isnumeric() | ''.isalpha() | ' \t'.isspace() | 'abc'.islower() | 'aBC'.islower() | 'ABC1'.isupper() | 'Ab Cd'.istitle() | 'AbCd'.istitle() | 'あ'.isupper() | 'あ'.isalpha() | 'é'.isascii() | ''.isascii() | 'a\n'.isprintable() | ''.isprintable()
'-'.join(['a','b']) | '-'.join('abc') | ''.join([]) | ','.join(['a',1]) | ','.join({'a':1,'b':2}) | 'abc' * 0 | 'ab' * -1 | 3 * 'ab' | [1,2] * 2 | (1,) * 3 | 'a' + 'b' | [1] + [2] | (1,) + (2,) | [1] + (2,) | 'a' * 1.5
1 + 1 | 1 + 1.0 | 7 // 2 | -7 // 2 | 7 % 3 | -7 % 3 | 7 % -3 | -7.5 // 2 | 7.5 % 2 | -7.5 % 2 | 7.5 % -2 | 2 ** 10 | 2 ** -1 | 2 ** 0.5 | (-8) ** 2 | -2 ** 2 | 2 ** 3 ** 2 | 1e3 | 1.5e-10 | 1e16 | 123456789.123 | 1e15 | 123456789012345678 | 0.1 + 0.2 | 1/3 | 100.0 | 1e100 | -0.0 | 5e-324 | 1.7976931348623157e308 | 2**100 | 10**30 | true + 1 | true * 3 | not true | -true | +5 | 1_000 | 0x1f | 0b101 | 0o17 | 1_0.5_0 | 1 / 0 | 1 // 0 | 1 % 0 | 1.0 / 0 | 0 ** -1 | 0.0 ** -1
1 == 1.0 | 1 == true | 'a' == 'a' | [1,2] == [1,2] | [1] == (1,) | {'a':1} == {'a':1.0} | {'a':1,'b':2} == {'b':2,'a':1} | none == none | 1 != 2 | 'a' < 'b' | 'Z' < 'a' | 'あ' > 'z' | [1,2] < [1,3] | [1] < [1,0] | 1 < 'a' | none < 1 | (1,2) < (1,2,3) | 1 < 2 < 3 | 3 > 2 > 2 | 1 <= 1 == 1 | 1.5 >= 1 | true < 2 | 'a' in 'abc' | '' in '' | 1 in [1.0] | 'k' in {'k':1} | 1 in 'abc' | 1 in 5 | none in [none] | 'x' not in ['y'] | [1] in [[1]] | [1] in {'a':1}
'abc'[0] | 'abc'[-1] | 'abc'[1:] | 'abc'[::-1] | 'abcdef'[1:5:2] | 'abcdef'[5:1:-2] | 'abc'[10:] | 'abc'[-2:] | 'abc'[:-1] | [1,2,3][1:] | [1,2,3][::-1] | (1,2,3)[:2] | 'あいう'[1] | 'あいうえお'[::2] | [1,2,3][true] | [1,2,3]['a'] | {'a':{'b':3}}.a.b | {'a':1}['a'] | {1:2}[1] | {1:'x'}[1.0] | {true:'t'}[1] | 'abc'[::0] | 'abc'[none:2] | range(5)[2] | 'abc'['a'] | 'abc'.0 | [[1,2],[3]][0][1] | 'abc'[5] | [1][3]
[1,'a',none,true,1.5] | (1,) | () | {} | {'a':[1,{'b':2}]} | 'it\'s' | ["it's"] | ['"'] | ['\'"'] | ['\n\t\\'] | ['\x00\x7f\xa0\u200b\ue000😀é'] | [1e22,1e-7] | range(3) | range(1,10,3) | range(5,0,-1) | range(0) | {'a':1}.keys() | {'a':1}.values() | {'a':1}.items() | {'a':1}.items()|list | [range(2)] | {1:2,none:3,1.5:4} | [[]] | [()] | {'x':()} 
[3,1,2]|sort | ['b','A','c']|sort | ['b','A','c']|sort(case_sensitive=true) | [3,1,2]|sort(reverse=true) | rows|sort(attribute='v',reverse=true)|map(attribute='k')|join | [1,'a']|sort | [[2,1],[1,2]]|sort | {'b':1,'A':2}|dictsort | {'b':1,'a':2}|dictsort(by='value') | {'b':1,'a':2}|dictsort(reverse=true) | [1,2,3]|max | ['a','B']|min | []|max|default('none') | rows|max(attribute='v') | [1,1.0,true,2]|unique|list | ['a','A']|unique|list | ['a','A']|unique(case_sensitive=true)|list | rows|groupby('v')|length | rows|groupby('k') | [{'a':1,'b':'x'},{'a':2},{'a':1}]|groupby('a') | ['b','a','B']|groupby(0)
[1,2,3,4,5]|batch(2)|list | [1,2,3]|batch(2,'x')|list | [1,2,3,4,5]|slice(3)|list | [1,2,3,4,5]|slice(3,'x')|list | [1,2]|slice(4)|list | 'abc'|first | 'abc'|last | []|first | [1,2]|last | {'a':1}|first | {'a':1}|last | 'abc'|reverse | [1,2]|reverse|list | {'a':1}|list | 'ab'|list | [1,2]|length | {'a':1}|length | 'あい'|length | 5|length | {'a':1,'b':2}|items|list | 5|list | none|list
[1,2]|join(', ') | [1,none,true]|join('-') | 'abc'|join('.') | rows|join(',',attribute='k') | [1,2]|sum | [0.1,0.2]|sum | rows|sum('v') | [[1],[2]]|sum(start=[]) | ['a']|sum | [1,2]|sum(start=10) | rows|map(attribute='zz')|list | rows|map(attribute='zz',default='d')|list | ['a','b']|map('upper')|list | [1,2]|map('string')|list | [1,2]|map('nosuch')|list | ['a b','c']|map('replace',' ','_')|join(',') | rows|map(attribute='k')|map('upper')|join | [[1,2],[3,4]]|map('first')|list | [[1,2],[3,4]]|map(attribute=1)|list | [1,2,3]|select('odd')|list | [1,2,3]|reject('odd')|list | [0,1,'']|select|list | [0,1,'']|reject|list | [1,2,3]|select('gt',1)|list | [1,2,3]|select('nosuch')|list | rows|selectattr('v','eq',2)|list | rows|rejectattr('k','in',['x'])|map(attribute='k')|list | rows|selectattr('v')|list|length | rows|selectattr('zz','defined')|list | rows|selectattr('k','equalto','x')|first
' a '|trim~'|' | 'xax'|trim('x') | 'hello world'|title | "foo bar's (baz) a-b"|title | 'ABC'|lower | 5|upper | none|upper | 'aBC'|capitalize | 'a<b>&"\''|e | '<'|escape|upper | 'x'|center(5) | 'a\nb\n\nc'|indent | 'a\nb\n\nc'|indent(2,true) | 'a\nb\n\nc'|indent(2,true,true) | 'a\nb'|indent('> ') | 'a\nb'|indent(width=3,first=true) | ''|indent | 'foo bar baz qux'|truncate(9) | 'foo bar baz qux'|truncate(9,true) | 'foo bar baz qux'|truncate(11) | 'foo bar baz qux'|truncate(11,false,'...',0) | 'あいうえおかきくけこ'|truncate(5,true,'…',0) | 'a b'|wordcount | "it's あい う"|wordcount | 'a b/c?あ'|urlencode | 'hello'|replace('l','L') | 'hello'|replace('l','L',1) | 123|replace('2','x') | 'a'|replace(1,2)
'3.7'|int | '42'|int | ' 42 '|int | 'x'|int | 'x'|int(5) | 3.9|int | -3.9|int | '0x1f'|int(base=16) | '1f'|int(0,16) | '0b11'|int(0,2) | '1_000'|int | none|int | true|int | '１２'|int | []|int | '1e3'|int | '3.5'|float | 'x'|float | 'x'|float(1.5) | 'inf'|float | 'nan'|float | '1e5'|float | 5|float | none|float | '.5'|float | '5.'|float | -5|abs | -5.5|abs | 'a'|abs | 2.5|round | 3.5|round | 2.675|round(2) | 2.345|round(1,'ceil') | 2.345|round(1,'floor') | 5|round | 1234.5|round(-2) | 1234|round(-2) | 1250|round(-2) | 1350|round(-2) | 2.1|round(0,'ceil') | 42.55|round(1)  | 1e300|round(2) | 5|round(1,'floor')
'%s'|format('a') | '%5s|'|format('a') | '%-5s|'|format('a') | '%05d'|format(42) | '%+d'|format(5) | '% d'|format(5) | '%x %X %o'|format(255,255,8) | '%#x'|format(255) | '%e'|format(12345.678) | '%.3g'|format(12345.678) | '%g'|format(0.00001) | '%f'|format(1) | '%8.3f|'|format(3.14159) | '%08.3f'|format(-3.14159) | '%s %s'|format('a') | '%s'|format('a','b') | '%d'|format('x') | '%d'|format(3.7) | '%(a)s'|format(a=1) | '%%' | '%%'|format() | '%c'|format(65) | '%c'|format('x') | '%r'|format('a') | '%.2s'|format('abc') | '%s' % 'x' | '%s-%s' % ('a','b') | '%(k)s' % {'k':1} | '%s' % {'k':1} | '%s' % [1] | '%*d'|format(5,42) | '%.*f'|format(2,3.14159) | '%d' % true | '%i' % 5 | '%5.1f%%' % 99.5 | '%q' % 1 | '%.3d' % 5 | '%x' % 1.5 | '%s' % none | '%10.4s|' % 'abcdefgh'
'{} {}'.format(1,'a') | '{0}{1}{0}'.format('a','b') | '{a}'.format(a=1) | '{:5}|'.format('a') | '{:>5}|'.format('a') | '{:^5}|'.format('a') | '{:*^7}'.format('abc') | '{:5d}|'.format(42) | '{:05d}'.format(42) | '{:,}'.format(1234567) | '{:.2f}'.format(3.14159) | '{:10.2f}|'.format(3.14159) | '{:+}'.format(5) | '{:x}'.format(255) | '{:#x}'.format(255) | '{:b}'.format(5) | '{:%}'.format(0.25) | '{:.1%}'.format(0.256) | '{:e}'.format(1234.5) | '{!r}'.format('a') | '{0[0]}'.format([7]) | '{x[k]}'.format(x={'k':'v'}) | '{{}}'.format() | '{'.format() | '{}'.format() | '{} {0}'.format(1) | '{:d}'.format('a') | '{:s}'.format('a') | '{}'.format(none) | '{}'.format([1]) | '{:.3}'.format('abcdef') | '{:<8}|'.format(5) | '{:_}'.format(1234567) | '{:,.2f}'.format(1234567.891) | '{:08.2f}'.format(-3.14159) | '{:g}'.format(1e10) | '{}'.format(1.0) | '{:5}|'.format(true) | '{:.0f}'.format(2.5)
x is defined | none is none | 1 is number | 1.0 is float | true is number | true is boolean | 1 is boolean | 1 is integer | true is integer | 'a' is string | [] is sequence | {} is mapping | {} is sequence | 'a' is iterable | 5 is iterable | 1 is sameas 1 | true is sameas true | none is sameas none | 'abc' is lower | 'ABC' is upper | 4 is even | 3 is odd | 9 is divisibleby 3 | 9 is divisibleby(4) | 1 is in [1,2] | 'a' is in 'abc' | 1 is eq 1 | 1 is ne 2 | 1 is lt 2 | 1 is gt 2 | 2 is ge 2 | 1 is equalto 1.0 | range is callable | 1 is callable | 'upper' is filter | 'nope' is filter | 1 is not none | not 1 is none | 1 is nosuch | true is true | 1 is true | false is false | 2.0 is even | range(3) is sequence | range(3) is iterable | missing is undefined | missing is not defined | 'x' is escaped | 1 is greaterthan 0
1 if true | 1 if false | 1 if true else 2 | 1 if 0 else 2 if 0 else 3 | 'a' or 'b' | '' or 'b' | 'a' and 'b' | '' and 'b' | not '' | not [] | none or false or 'z' | 1 and 0 | (1 or 2) ~ 3 | 1 ~ 2 | 'a' ~ none ~ true ~ 1.5 ~ [1] | 'a' ~ 1 + 2 | 1 + 2 ~ 3 | -1 ~ 'x' | 'a' 'b' "c" | 2 * 3 ~ 4
{'a':1}.get('a') | {'a':1}.get('b') | {'a':1}.get('b',5) | [1,2,1].count(1) | [1,2].index(2) | [1,2].index(3) | (1,2).index(2) | {'items':5}['items'] | {'a':1}.copy() | dict(a=1,b=2) | dict([['a',1]]) | dict({'a':1},b=2) | namespace(a=1).a | namespace(a=1).b | range(3)|list | range(2,5)|list | range(5,2,-1)|list | range(0,10,3)|list | range(1,0)|list | range(3,3,0) | range('a') | dict(a=1)['a'] | {**{}} | {'a':1,'a':2} | [1,2,] | (1,2,) | {'a':1,}
{'a':[1,2.5,none,true,'x"\n'],'b':{}}|tojson | {'a':[1,{'b':[]}]}|tojson(indent=2) | 'あ<>&\''|tojson | '\u2028\x7f😀\x01'|tojson | [1e-7,1e22,1.0]|tojson | {1:2,none:3,true:4}|tojson | (1,2)|tojson | []|tojson(indent=2) | {}|tojson(2) | none|tojson | range(3)|tojson | {'b':1,'a':2}|tojson | 'x'|tojson(indent=1) | [[],[1]]|tojson(indent=0)
'a1b2'|regex_replace('\\d','#') | 'abc'|regex_replace('(.)(.)','\\2\\1') | 'abc'|regex_replace('','-') | 'abc'|regex_replace('x*','-') | 'abxd'|regex_replace('x*','-') | 'hello world'|regex_replace('(?P<w>\\w+)','<\\g<w>>') | 'abc'|regex_replace('b','\\\\') | 'abc'|regex_replace('b','\\n') | 'abc'|regex_replace('b','\\q') | 'a.b'|regex_replace('\\.','') | 'aaa'|regex_replace('a','b',count=2) | 'あいう'|regex_replace('[あ-い]','x') | 'a b'|regex_replace('\\s','') | 'AbC'|regex_replace('(?i)b','x') | 'a\nb'|regex_replace('^b','x') | 'a\nb'|regex_replace('(?m)^b','x') | 'a\n'|regex_replace('a$','x') | 'a\n'|regex_replace('a\\Z','x') | 'aab'|regex_replace('a{,1}b','x') | 'x'|regex_replace('(','y') | 'abc'|regex_replace('(b)','\\g<0>\\g<1>') | 'abc'|regex_replace('b','\\1') | 'ab'|regex_replace('(a)|b','[\\1]') | 'é'|regex_replace('\\w','w') | '[x]'|regex_replace('[[]','(') | 'tel: 03-1234'|regex_replace('\\D','') | 'x' | regex_replace('(?<=a)x','y') | 'ax' | regex_replace('(?<=a)x','y') | 'aAbB' | regex_replace('[A-Z]+','')
missing.foo | missing['a'] | missing + 1 | missing ~ 'a' | missing == 1 | missing|length | missing|default('d') | missing|list | options.missing.x | missing() | 'a' in missing | missing in ['a'] | missing and 1 | missing or 1 | not missing | missing|upper | -missing | missing < 1 | missing|int | [missing] | missing|tojson | missing|join(',') | (missing|default({})).x|default('y') | {'a':missing}|length | missing|first | missing|trim | missing is none
'a'.nosuch | 'a'.nosuch() | [].nosuch | 5() | 'abc'() | none.foo | none['a'] | none() | options['A'] | options.A | options|length | rows[0].k | rows[-1]['v'] | rows|first|attr('k') | choices[1][0]
"""
TEMPLATES = [
    '{% for i in range(3) %}{{ loop.index }}{{ loop.last }}{% endfor %}',
    '{% for a,b in [[1,2],[3,4]] %}{{a}}{{b}}{% endfor %}',
    '{% for a in 5 %}{% endfor %}',
    '{% for a,b in [[1,2,3]] %}{% endfor %}',
    "{% for k in {'a':1,'b':2} %}{{k}}{% endfor %}",
    "{% for c in 'あいu' %}{{c}}-{% endfor %}",
    '{% for i in [1,2,3] if i != 2 %}{{i}}{{loop.length}}{% else %}e{% endfor %}',
    '{% for i in [] %}x{% else %}e{% endfor %}',
    '{% set x = 1 %}{% for i in [1] %}{{x}}{% set x = 2 %}{{x}}{% endfor %}{{x}}',
    '{% for i in [1,2] %}{% set y = (y|default(0)) + i %}{{y}}{% endfor %}',
    '{% if true %}{% set z = 5 %}{% endif %}{{z}}',
    '{% macro m(a,b=2,c=a) %}{{a}}{{b}}{{c}}{% endmacro %}{{m(1)}}|{{m(1,c=3)}}|{{m(b=5,a=1)}}',
    '{% macro m(a) %}{{a}}{{varargs}}{{kwargs}}{% endmacro %}{{m(1,2,3,x=4)}}',
    '{% macro m(a) %}{{a}}{% endmacro %}{{m(1,2)}}',
    '{% macro m(a) %}{{a}}{% endmacro %}{{m(x=2)}}',
    '{% macro m(a) %}[{{a}}]{% endmacro %}{{m()}}',
    '{% macro m() %}{{caller()}}{% endmacro %}{% call m() %}body{% endcall %}',
    '{% macro m() %}{{caller(1,2)}}{% endmacro %}{% call(a,b) m() %}{{a}}+{{b}}{% endcall %}',
    '{% macro m() %}{% endmacro %}{% call m() %}body{% endcall %}',
    '{% macro m() %}{{x}}{% endmacro %}{% set x = 3 %}{{m()}}',
    '{% macro m(n) %}{% if n %}{{n}}{{m(n-1)}}{% endif %}{% endmacro %}{{m(3)}}',
    '{% macro m() %}a{% endmacro %}{{m}}{{m.name}}',
    '{% set ns = namespace(a=1) %}{% for i in [1,2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ns.a}}',
    '{% set a.b = 1 %}',
    '{% set x = 5 %}{% set x.b = 1 %}',
    '{% set x %}abc{{1+1}}{% endset %}{{x}}{{x|length}}',
    '{% set x|upper %}abc{% endset %}{{x}}',
    '{% set a, b = 1, 2 %}{{a}}{{b}}',
    '{% set a, (b, c) = 1, (2, 3) %}{{a}}{{b}}{{c}}',
    '{% set a = 1, 2 %}{{a}}',
    '{% with a=1, b=2 %}{{a+b}}{% endwith %}',
    '{% with %}{% set q=1 %}{{q}}{% endwith %}{{q is defined}}',
    '{% with a=1 %}{% with a=2, b=a %}{{a}}{{b}}{% endwith %}{{a}}{% endwith %}',
    '{% filter upper %}a{{1}}b{% endfilter %}',
    "{% filter replace('a','b')|upper %}aXa{% endfilter %}",
    '{% raw %}{{ x }}{% endraw %}',
    '{%- raw -%}  {{ x }}  {%- endraw -%} y',
    '{# c #}a{#- c -#} b',
    'a {{- 1 -}} b',
    'a\n{{- 1 }}\n  b',
    ' {%- if true -%} x {%- endif -%} ',
    '{% if true %}\n a\n{% endif %}\n',
    '  {% if true %}\n  a\n  {%- endif %}\nb',
    '  {%+ if true %}x{% endif %}',
    '{% if true +%}\nx{% endif %}',
    'x\n\n',
    'x\r\ny\r\n',
    '\n{% if true %}\n\n{% endif %}\n',
    '{% for i in [[1,[2]],[3]] recursive %}{{loop.depth}}{% if i is iterable %}{{loop(i)}}{% else %}{{i}}{% endif %}{% endfor %}',
    '{% for i in [1] %}{{loop([2])}}{% endfor %}',
    '{% for i in [1,1,2] %}{{loop.changed(i)}}{% endfor %}',
    "{% for i in [1,2,3] %}{{loop.cycle('a','b')}}{% endfor %}",
    '{% for i in [1,2] %}{% for j in [1,2] %}{{loop.index}}{% endfor %}{{loop.index}}{% endfor %}',
    '{% for i in [1,2] %}{% set o = loop %}{% for j in [5] %}{{o.index}}{% endfor %}{% endfor %}',
    '{% for i in [1] %}{{loop}}{% endfor %}',
    '{% for m in rows if m.v > 1 %}{{loop.first}}{{loop.previtem.k if loop.previtem is defined}}{% endfor %}',
    '{% print 1, 2 %}',
    '{% if 1 %}a{% elif 2 %}b{% elif 3 %}c{% else %}d{% endif %}',
    '{% if 0 %}a{% elif 0 %}b{% elif 3 %}c{% else %}d{% endif %}',
    '{% if 0 %}a{% elif 0 %}b{% else %}d{% endif %}',
    '{% nosuch %}',
    '{% if 1 %}',
    '{% endif %}',
    '{% for %}',
    '{{ }}',
    '{{ 1 + }}',
    '{{ (1 }}',
    '{{ 1) }}',
    "{{ 'a }}",
    '{{ a b }}',
    '{{ 1 2 }}',
    "{{ {'a' 1} }}",
    '{{ [1 2] }}',
    "{{ 'a'|}}",
    '{{ a. }}',
    '{{ f(a=1, 2) }}',
    '{{ f(**a, b) }}',
    '{% set 1 = 2 %}',
    "{% set 'a' = 2 %}",
    '{% set x %}',
    '{% macro %}{% endmacro %}',
    '{% macro m(a=1,b) %}{% endmacro %}',
    '{% call 5 %}{% endcall %}',
    '{# unclosed',
    '{% raw %}x',
    "{{ '\\q\\x41\\u3042\\101\\0' }}",
    "{{ 'a\\\nb' }}",
    "{{ '\\xzz' }}",
    '{{ 007 }}',
    '{{ 1.5.x }}',
    '{{ 1.e }}',
    '{{ 1..x }}',
    "{{ 'a' if }}",
    '{{ not not 1 }}',
    '{{ 1 is not defined }}',
    '{{ 1 is defined is defined }}',
    '{{ $ }}',
    '{{ a ? b : c }}',
    '{{ a! }}',
    '{{ `a` }}',
    '{% break %}',
    '{% for i in [1] %}{% break %}{% endfor %}',
    '{% for i in [1,2,3] %}{% if i == 2 %}{% continue %}{% endif %}{{i}}{% endfor %}',
    '{% for i in [1,2,3] %}{% if i == 2 %}{% break %}{% endif %}{{i}}{% endfor %}',
    "{{ rows|map(attribute='v')|select('odd')|list|tojson }}",
    "{% set g = rows|map(attribute='v') %}{{ g|first }}{{ g|list }}{{ g|list }}",
    "{% set g = rows|selectattr('v') %}{% if g %}t{% endif %}{% for x in g %}{{x.v}}{% endfor %}{% for x in g %}{{x.v}}{% endfor %}",
    "{{ (rows|map(attribute='v'))|length }}",
    "{{ (rows|map(attribute='v'))[0] }}",
    '{{ dict(a=1).items()|list }}',
    "{% set d = {'a':1} %}{% set d = dict(d, b=2) %}{{ d }}",
    "{{ 'a' }}{# x #}\n{{ 'b' }}",
    'a{% set x = 1 %}\n\nb',
    '{%- set x = 1 -%}\n{{ x -}}\n z',
    '{{ loop is defined }}',
    '{% set loop = 1 %}{{ loop }}',
    "{{ raise_exception('boom') }}",
    "{{ strftime_now('%d %b %Y %A %j') }}",
    '{% for i in range(2) %}{% for j in range(3) %}{% if j == 1 %}{% continue %}{% endif %}{{i}}{{j}}{% endfor %}{% if i == 0 %}{% continue %}{% endif %}x{% endfor %}',
    '{% for i in [1,2] %}{% set x %}{% if i == 1 %}{% continue %}{% endif %}a{% endset %}{{ x }}{% endfor %}',
    '{% for i in [1,2,3] %}{% filter upper %}a{% if i==2 %}{% break %}{% endif %}b{% endfilter %}{% endfor %}',
    '{{ x.y.z is defined }}',
    '{{ x.y is defined }}',
    '{{ none.x is defined }}',
    '{{ rows[0].zz is defined }}{{ rows[9] is defined }}',
    '{{ (1,2,3)|join }}',
    "{{ 5.5|string + 'x' }}",
    "{{ '{:>10}'.format('あ') }}|",
    '{{ [1,2]|tojson|upper }}',
    "{{ [none, true]|map('string')|join(',') }}",
    '{{ [1,[2,[3]]]|string }}',
    '{{ 1 if missing is defined and missing else 2 }}',
    '{{ 10000000000000000 * 10000000000000000 }}',
    '{{ 3.0|int }}{{ 3.5 // 1 }}{{ 1e15 + 0.5 }}',
    '{{ 0.1 * 3 }} {{ 1e21 }} {{ 123456789012345.6 }}',
    "{{ 'あ'|list }}{{ 'é'|length }}",
    '{% set x = namespace() %}{% set x.y = [] %}{% set x.y = x.y + [1] %}{{ x.y }}{{ x }}',
]


def main():
    warnings.simplefilter("ignore")
    doc = json.loads((HERE / "prompts_doc.json").read_text(encoding="utf-8"))
    one = [e.strip() for line in EXPRESSIONS.strip().split("\n") for e in line.split(" | ")]
    env = C.own_env()
    rows = []
    for i, t in enumerate(["{{ " + e + " }}" for e in one] + TEMPLATES):
        rows.append({"i": i, "template": t, "chat": C.attempt(lambda: env.from_string(t).render(**doc)), "prompt": C.prompt(t, doc)})
    C.dump(HERE / "expressions.jsonl", rows)


if __name__ == "__main__":
    main()

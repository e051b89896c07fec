"""Stack traces: the deepest cause, and the frame of one's own code."""

import pytest

from autoloop.core.reading import text_engine

CHAINED = """\
Traceback (most recent call last):
  File "/srv/shop/prices.py", line 12, in price
    return TABLE[item]
KeyError: 'socks'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/usr/lib/python3/dist-packages/flask/app.py", line 9, in run
    view()
  File "/srv/shop/views.py", line 40, in cart
    raise CartError("no total")
shop.CartError: no total
"""
STANDARD = """\
Traceback (most recent call last):
  File "C:\\Python311\\lib\\site-packages\\pdf\\build.py", line 118, in write
    path.join(folder, name)
  File "C:\\Python311\\lib\\ntpath.py", line 108, in join
    path += name
UnicodeDecodeError: 'ascii' codec can't decode byte 0x83 in position 3: ordinal not in range(128)
"""
JAVA_IN_SOURCE = """\
    String seen = "2026-07-25T14:13:21 [Worker-17] the job ended\\n" +
            "java.lang.ArithmeticException: Division by zero\\n" +
            "\\tat java.math.BigDecimal.divide(BigDecimal.java:1745) ~[?:17]\\n" +
            "\\tat shop.cart.Total.sum(Total.java:22) ~[classes/:?]\\n" +
"""
HUNG = """\
[2026-09-22 22:18:03 +0000] [1] [CRITICAL] WORKER TIMEOUT (pid:104)
Current thread 0x000075a11f250b80 (most recent call first):
  File "/usr/lib/python3.11/ssl.py", line 293 in read
  File "/srv/shop/prices.py", line 74 in fetch
  File "/srv/shop/views.py", line 30 in cart
"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/srv/shop/main.py", line 9, in <module>
  |     asyncio.run(main())
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/srv/shop/load.py", line 4, in load
    |     import yamlx
    | ModuleNotFoundError: No module named 'yamlx'
    +------------------------------------
"""
JAVA = """\
org.springframework.web.util.NestedServletException: Request processing failed
\tat org.springframework.web.servlet.FrameworkServlet.processRequest(FrameworkServlet.java:1014)
\tat com.example.shop.Filter.doFilter(Filter.java:30)
Caused by: java.lang.IllegalStateException: no rate
\tat com.example.shop.Rates.rate(Rates.java:31)
\t... 2 more
Caused by: java.io.FileNotFoundException: /etc/shop/rates.csv (No such file or directory)
\tat java.base/java.io.FileInputStream.open0(Native Method)
\tat com.example.shop.Rates.load(Rates.java:12)
\t... 9 more
"""
NODE = """\
/srv/shop/node_modules/express/lib/router.js:45
TypeError: Cannot read properties of undefined (reading 'id')
    at next (/srv/shop/node_modules/express/lib/router.js:45:12)
    at total (/srv/shop/src/cart.js:17:22)
    at node:internal/process/task_queues:95:5
"""
GO = """\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x7f]

goroutine 7 [running]:
net/http.(*conn).serve(0x1)
\t/usr/local/go/src/net/http/server.go:1850 +0x1
main.cart(0x0)
\t/srv/shop/cart.go:33 +0x1d
exit status 2
"""
PHP = """\
PHP Fatal error:  Uncaught TypeError: count(): Argument #1 must be of type Countable in \
/srv/shop/vendor/acme/list.php:8
Stack trace:
#0 /srv/shop/src/Cart.php(21): Acme\\List->size()
#1 {main}
"""
RUBY = """\
NoMethodError (undefined method `total' for nil:NilClass):
  /usr/lib/ruby/gems/3.1.0/gems/rack-2.2/lib/rack.rb:10:in `call'
  app/models/cart.rb:12:in `sum'
"""
RUST = "thread 'main' panicked at src/cart.rs:14:9:\nindex out of bounds: the len is 1\n"
NO_SYMBOLS = """\
System.InvalidOperationException: Sequence contains no elements
   at System.Linq.Enumerable.First[TSource](IEnumerable`1 source)
   at Shop.Carts.CartHandler.<Total>d__6.MoveNext()
   at Shop.Web.Program.Main(String[] args)
"""
ASP = """\
[NullReferenceException: Object reference not set to an instance of an object.]
   System.Web.UI.Control.LoadRecursive() +12
   Shop.Web.CartPage.Total() +202
   Shop.Web.CartPage.Load(Object sender, EventArgs e) +13
"""
DOTNET = """\
System.NullReferenceException: Object reference not set to an instance of an object.
   at System.Linq.Enumerable.Sum()
   at Shop.Cart.Total() in /srv/shop/Cart.cs:line 27
"""
SYNTAX = """\
  File "/srv/shop/app.py", line 3
    def cart(:
             ^
SyntaxError: invalid syntax
"""


JUNIT = """\
java.lang.AssertionError: expected:<1> but was:<2>
\tat org.junit.Assert.fail(Assert.java:88)
\tat org.junit.Assert.assertEquals(Assert.java:555)
\tat net.shop.cart.CartTest.total(CartTest.java:41)
"""

IN_SOURCE = """\
    "Traceback (most recent call last):\\n"
    '  File "/srv/shop/cart.py", line 22, in total\\n'
    "KeyError: 'price'"
"""


@pytest.mark.parametrize(
    ("text", "name", "culprit"),
    [
        (JUNIT, "CODE.logic_error", "CartTest.java:41"),
        (JAVA_IN_SOURCE, "CODE.runtime_error", "Total.java:22"),
        (HUNG, "SERVICE.timeout", "/srv/shop/prices.py:74"),
        (IN_SOURCE, "CODE.runtime_error", "/srv/shop/cart.py:22"),
        (CHAINED, "CODE.runtime_error", "/srv/shop/prices.py:12"),
        (GROUP, "CODE.import_error", "yamlx"),
        (JAVA, "CONFIG.missing_file", "/etc/shop/rates.csv"),
        (NODE, "CODE.runtime_error", "/srv/shop/src/cart.js:17"),
        (GO, "CODE.runtime_error", "/srv/shop/cart.go:33"),
        (PHP, "CODE.runtime_error", "/srv/shop/src/Cart.php:21"),
        (RUBY, "CODE.runtime_error", "app/models/cart.rb:12"),
        (RUST, "CODE.runtime_error", "src/cart.rs:14"),
        (DOTNET, "CODE.runtime_error", "/srv/shop/Cart.cs:27"),
        (ASP, "CODE.runtime_error", "CartPage.Total"),
        (NO_SYMBOLS, "CODE.runtime_error", "CartHandler.Total"),
        (SYNTAX, "CODE.syntax_error", "/srv/shop/app.py:3"),
        (STANDARD, "CODE.encoding_error", r"C:\Python311\lib\site-packages\pdf\build.py:118"),
    ],
    ids=[
        *(
            "junit",
            "java in source",
            "hung",
            "in source",
            "chained",
            "group",
            "java",
            "node",
            "go",
            "php",
            "ruby",
            "rust",
            "dotnet",
        ),
        *("asp", "no symbols", "syntax"),
        "standard library",
    ],
)
def test_the_deepest_cause_and_ones_own_frame(text: str, name: str, culprit: str) -> None:
    """Not the wrapper, and not the framework's frame."""
    top = text_engine().read(text)[0]
    assert (top.name, top.culprit) == (name, culprit)

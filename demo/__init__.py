"""The whole product on one machine: the article's two files, three services through the tunnel, a cut, a laptop.

Server and client are the real programs. Both ends share this machine, so domain, ports and the certificate's authority
differ from the article; the difference is printed. A small relay between the two stands for the network, to cut it.
`scripts/demo` runs it.
"""

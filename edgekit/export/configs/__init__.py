"""Readers of the configurations that other libraries write: a mapping in, a ThirdPartyConfig out.

None of them imports the library whose configuration it reads, except `torchvision`, whose weight enums are the only
place of that configuration; and none runs code that a configuration names.
"""

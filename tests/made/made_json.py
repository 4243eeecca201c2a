"""Any JSON value, as an untrusted file may contain it where a number or a text is expected."""

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats() | st.sampled_from(["a", "ViT", "", "0"]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.sampled_from("01ab"), children, max_size=3),
    max_leaves=6,
)

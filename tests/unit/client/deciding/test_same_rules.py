"""The client knows no other part of the project: what it repeats of the domain's rules is held against them here."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from entitlements.domain.key_terms import PLACE, constraint_against
from entitlements.domain.key_terms import REGIONS as OF_THE_DOMAIN
from entitlements.domain.organizations import ROLES as ROLES_OF_THE_DOMAIN
from entitlements.domain.values import QUANTITY_MAX as QUANTITY_MAX_OF_THE_DOMAIN
from entitlements.domain.values import Constraints as ConstraintsOfTheDomain
from entitlements_client.deciding.decide import QUANTITY_MAX, ROLES
from entitlements_client.deciding.places import COUNTRY, REGIONS, Constraints, country_of

START = datetime(2026, 6, 16, tzinfo=UTC)
INSTANTS = st.none() | st.integers(-3, 3).map(lambda seconds: START + timedelta(seconds=seconds))
COUNTRIES = st.none() | st.sampled_from(["DE", "DE-BE", "US", "US-CA", "IS", "EU", "EEA"])


def test_roles_regions_and_the_largest_quantity_are_those_of_the_domain() -> None:
    assert (ROLES, REGIONS, QUANTITY_MAX) == (ROLES_OF_THE_DOMAIN, OF_THE_DOMAIN, QUANTITY_MAX_OF_THE_DOMAIN)
    assert all(PLACE.fullmatch(text) for text in ("DE", "US-CA") if COUNTRY.fullmatch(text))


@given(
    st.lists(st.sampled_from(["DE", "US-CA", "US", "EU", "EEA"]), max_size=2),
    INSTANTS,
    INSTANTS,
    COUNTRIES,
    st.integers(-5, 5),
)
def test_a_constraint_means_what_it_means_to_the_domain(
    places: list[str], start: datetime | None, end: datetime | None, country: str | None, seconds: int
) -> None:
    at = START + timedelta(seconds=seconds)
    of_the_domain = constraint_against(
        ConstraintsOfTheDomain(geographic_restrictions=places, start_date=start, end_date=end), country_of(country), at
    )
    document = {
        "geographic_restrictions": places,
        "start_date": start and start.isoformat(),
        "end_date": end and end.isoformat(),
    }
    assert Constraints(document).against(country_of(country), at.timestamp()) == of_the_domain

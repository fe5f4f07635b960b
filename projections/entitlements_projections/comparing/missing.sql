-- missing --
-- Rows that are here and not there, each as often as it is missing; a few of them, and on each how many there are.
select d.*, count(*) over () as missing_rows
from (select * from {here} except all select * from {there}) d
limit {samples};

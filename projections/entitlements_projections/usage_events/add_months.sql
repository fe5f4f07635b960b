-- add_months --
-- Makes the partitions of these months (given by their first days), unless they are there.
select add_usage_month(month) from unnest(%s::date[]) as month;
